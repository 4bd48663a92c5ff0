use super::*;

fn page(fields: &str) -> Result<Page, ReadError> {
    Page::read(&format!(r#"{{"kind":"calendar#events",{fields}}}"#))
}

#[test]
fn a_page_tells_where_to_go_on() {
    let more = page(r#""items":[],"nextPageToken":"p2","nextSyncToken":"never""#).unwrap();
    assert_eq!((more.events.len(), more.next), (0, Next::Page("p2".to_owned())), "empty, and more follows");
    let last = page(r#""items":[{"id":"a"},{"id":"b","status":"cancelled"}],"nextSyncToken":"s1""#).unwrap();
    assert_eq!((last.events.len(), last.next), (2, Next::Changes(Some("s1".to_owned()))));
    assert_eq!(page(r#""summary":"Dr Osei""#).unwrap().next, Next::Changes(None));
}

/// A hotel's page, or a proxy's, would be a calendar without entries.
#[test]
fn another_document_is_no_empty_calendar() {
    for text in ["{}", "[]", r#"{"items":[]}"#, r#"{"kind":"calendar#event","id":"x"}"#, r#"{"error":{"code":403}}"#] {
        assert!(matches!(Page::read(text), Err(ReadError::Shape(_) | ReadError::Json { .. })), "{text}");
    }
    let whole = r#"{"kind":"calendar#events","items":[{"id":"a"}],"nextSyncToken":"s1"}"#;
    for end in 0..whole.len() {
        assert!(Page::read(&whole[..end]).is_err(), "{end}");
    }
    assert!(page(r#""items":{"id":"a"}"#).is_err());
    assert_eq!(page(r#""items":[{"etag":"x"}]"#), Err(ReadError::Shape("an entry has no id")));
}
