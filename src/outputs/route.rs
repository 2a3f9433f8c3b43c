//! Which records an output takes, compiled from [`Route`].

use super::destination::Route;
use crate::store::{Record, RecordKind};
use globset::{Glob, GlobMatcher};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A route that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("label `{label}` of a route: {reason}")]
pub struct RouteError {
    label: String,
    reason: String,
}

/// A compiled [`Route`].
#[derive(Debug)]
pub struct Router {
    kinds: Vec<RecordKind>,
    classes: Vec<String>,
    severity_min: u8,
    labels: Vec<(String, GlobMatcher)>,
}

/// What routing looks at in a record.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Head<'a> {
    severity_number: u8,
    #[serde(rename = "squelch.class", borrow)]
    class: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

impl Router {
    /// Compiles the globs.
    ///
    /// # Errors
    /// When one is no glob.
    pub fn new(route: &Route) -> Result<Self, RouteError> {
        let labels = route.labels.iter().map(|(label, glob)| match Glob::new(glob) {
            Ok(glob) => Ok((label.clone(), glob.compile_matcher())),
            Err(error) => Err(RouteError { label: label.clone(), reason: error.to_string() }),
        });
        Ok(Self {
            kinds: route.kinds.clone(),
            classes: route.classes.clone(),
            severity_min: route.severity_min,
            labels: labels.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the output takes this record.
    #[must_use]
    pub fn takes(&self, record: &Record<'_>) -> bool {
        let is_wanted = if self.kinds.is_empty() { record.kind != RecordKind::Absorbed } else { self.kinds.contains(&record.kind) };
        if !is_wanted {
            return false;
        }
        if self.classes.is_empty() && self.severity_min == 0 && self.labels.is_empty() {
            return true;
        }
        // A record of ours always reads; if it did not, nobody could say that it is not wanted.
        let Ok(head) = serde_json::from_slice::<Head<'_>>(record.json) else { return true };
        let class = head.class.as_deref().unwrap_or("none");
        (self.classes.is_empty() || self.classes.iter().any(|wanted| wanted == class))
            && (head.severity_number == 0 || head.severity_number >= self.severity_min)
            && self.labels.iter().all(|(label, glob)| head.resource.get(label.as_str()).is_some_and(|value| glob.is_match(value.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] = br#"{"severity_number":13,"body":"a \"b\"","resource":{"k8s.namespace.name":"shop-eu"},"squelch.class":"retry"}"#;
    const BARE: &[u8] = br#"{"severity_number":0,"body":"x"}"#;

    #[test]
    fn absorbed_records_go_only_where_they_are_asked_for() {
        let record = Record { kind: RecordKind::Absorbed, json: BARE };
        let takes = |kinds| Router::new(&Route { kinds, ..Route::default() }).unwrap().takes(&record);
        assert_eq!([takes(vec![]), takes(vec![RecordKind::Line]), takes(vec![RecordKind::Line, RecordKind::Absorbed])], [false, false, true]);
    }

    fn check(route: Route, json: &[u8], expected: bool) {
        let takes = Router::new(&route).unwrap().takes(&Record { kind: RecordKind::Line, json });
        assert_eq!(takes, expected, "{route:?} {}", String::from_utf8_lossy(json));
    }

    #[test]
    fn an_empty_route_takes_everything() {
        check(Route::default(), RECORD, true);
        check(Route::default(), b"not even json", true);
    }

    #[test]
    fn kinds_classes_and_severities_select() {
        check(Route { kinds: vec![RecordKind::Storm], ..Route::default() }, RECORD, false);
        check(Route { kinds: vec![RecordKind::Line], ..Route::default() }, RECORD, true);
        check(Route { classes: vec!["retry".into()], ..Route::default() }, RECORD, true);
        check(Route { classes: vec!["failure".into()], ..Route::default() }, RECORD, false);
        check(Route { classes: vec!["none".into()], ..Route::default() }, BARE, true);
        check(Route { severity_min: 17, ..Route::default() }, RECORD, false);
        check(Route { severity_min: 13, ..Route::default() }, RECORD, true);
        check(Route { severity_min: 17, ..Route::default() }, BARE, true);
    }

    #[test]
    fn labels_are_globs_over_the_resource_and_all_must_match() {
        let route = |glob: &str| Route { labels: vec![("k8s.namespace.name".into(), glob.into())], ..Route::default() };
        check(route("shop-*"), RECORD, true);
        check(route("pay-*"), RECORD, false);
        check(route("shop-*"), BARE, false);
        assert!(Router::new(&route("[")).unwrap_err().to_string().starts_with("label `k8s.namespace.name` of a route: "));
    }
}
