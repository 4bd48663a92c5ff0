use proptest::prelude::*;

use super::*;

fn classic(reason: &str) -> String {
    format!(
        r#"{{"error":{{"errors":[{{"domain":"usageLimits","reason":"{reason}","message":"No"}}],"code":403,"message":"No"}}}}"#
    )
}

#[test]
fn a_403_is_a_limit_a_missing_right_or_a_setting() {
    for (reason, expected) in [
        ("rateLimitExceeded", Refusal::Passing),
        ("userRateLimitExceeded", Refusal::Passing),
        ("quotaExceeded", Refusal::Exhausted),
        ("dailyLimitExceeded", Refusal::Exhausted),
        ("insufficientPermissions", Refusal::Consent),
        ("accessNotConfigured", Refusal::NotEnabled),
        ("forbidden", Refusal::NotShared),
        ("requiredAccessLevel", Refusal::NotShared),
        ("forbiddenForNonOrganizer", Refusal::NotShared),
        ("forbiddenForServiceAccounts", Refusal::Ours),
    ] {
        assert_eq!(refusal(403, &classic(reason)), expected, "{reason}");
    }
    assert_eq!(refusal(403, "<html>The firewall says no</html>"), Refusal::Elsewhere);
}

#[test]
fn the_newer_shape_tells_the_same() {
    let scope = r#"{"error":{"code":403,"message":"Request had insufficient authentication scopes.","status":"PERMISSION_DENIED",
        "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#;
    assert_eq!((reason(scope).as_str(), refusal(403, scope)), ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", Refusal::Consent));
    let status = r#"{"error":{"status":"RESOURCE_EXHAUSTED"}}"#;
    assert_eq!(refusal(403, status), Refusal::Exhausted);
}

#[test]
fn every_other_status_has_its_meaning_whatever_the_body() {
    for (status, expected) in [
        (401, Refusal::Token),
        (404, Refusal::Missing),
        (409, Refusal::Duplicate),
        (410, Refusal::Gone),
        (412, Refusal::Stale),
        (429, Refusal::Passing),
        (408, Refusal::Passing),
        (500, Refusal::Passing),
        (503, Refusal::Passing),
        (302, Refusal::Elsewhere),
        (204, Refusal::Elsewhere),
        (405, Refusal::Elsewhere),
        (400, Refusal::Ours),
        (418, Refusal::Ours),
    ] {
        for body in ["", "<html>", "{}", r#"{"error":"invalid_grant"}"#, &classic("rateLimitExceeded")] {
            assert_eq!(refusal(status, body), expected, "{status} {body}");
        }
    }
}

proptest! {
    #[test]
    fn a_reason_is_a_short_word_whatever_comes(body in ".{0,100}", word in ".{0,80}") {
        let quoted = serde_json::json!({ "error": { "errors": [{ "reason": word }] } }).to_string();
        for body in [body, quoted] {
            let reason = reason(&body);
            prop_assert!(reason.len() <= 40 && reason.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            let _ = refusal(403, &body);
        }
    }
}
