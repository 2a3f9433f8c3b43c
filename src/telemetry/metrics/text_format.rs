//! OpenMetrics to Prometheus' text format 0.0.4. The samples are the same; what differs is how their families are called and typed.
//!
//! | | OpenMetrics | 0.0.4 |
//! |---|---|---|
//! | counter | `# TYPE x counter`, sample `x_total` | `# TYPE x_total counter` |
//! | info | `# TYPE x info`, sample `x_info` | `# TYPE x_info gauge` |
//! | unit, end | `# UNIT ...`, `# EOF` | neither |

/// Rewrites the comments; samples stay as they are.
pub fn from_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // HELP comes before TYPE, which alone tells the name.
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            out.push_str(&format!("# HELP {name}{ending} {help}\n# TYPE {name}{ending} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_called_as_their_samples_are() {
        let openmetrics = "# HELP a Of a\n# TYPE a counter\na_total{x=\"1\"} 2\n# HELP b Of b\n# TYPE b info\nb_info{y=\"#\"} 1\n\
                           # HELP c_seconds Of c\n# TYPE c_seconds gauge\n# UNIT c_seconds seconds\nc_seconds 0.5\n# EOF\n";
        let expected = "# HELP a_total Of a\n# TYPE a_total counter\na_total{x=\"1\"} 2\n# HELP b_info Of b\n# TYPE b_info gauge\nb_info{y=\"#\"} 1\n\
                        # HELP c_seconds Of c\n# TYPE c_seconds gauge\nc_seconds 0.5\n";
        assert_eq!(from_openmetrics(openmetrics), expected);
    }
}
