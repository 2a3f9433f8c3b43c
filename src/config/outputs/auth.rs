//! `[outputs.NAME.auth]`: who we are. A token, a file with a token, or a user with a password.

use crate::config::reader::Section;
use crate::config::values::not_empty;
use crate::outputs::destination::Auth;

pub(super) fn read(section: &mut Section<'_>) -> Auth {
    let token = section.secret("token");
    let token_file = section.optional_path("token_file", "/var/run/secrets/tokens/logs");
    let user = section.optional_text("user", "squelch", not_empty);
    let password = section.secret("password");
    let given: Vec<&str> = ["token", "token_file", "user"].into_iter().filter(|key| section.has(key)).collect();
    if let [first, second, ..] = given[..] {
        section.mistake(second, format!("stands beside `{first}`; use a token, a token_file, or user and password, one of the three"));
    }
    if section.has("user") != section.has("password") {
        let (there, missing) = if section.has("user") { ("user", "password") } else { ("password", "user") };
        section.mistake(there, format!("needs `{missing}`, too"));
    }
    match (token, token_file, user.zip(password)) {
        (Some(token), ..) => Auth::Bearer(token),
        (None, Some(file), _) => Auth::BearerFile(file),
        (None, None, Some((user, password))) => Auth::Basic { user, password },
        (None, None, None) => Auth::None,
    }
}
