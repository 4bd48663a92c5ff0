//! What staff have done in a calendar since it was last looked at.

use frontdesk_core::booking::appointment::AppointmentId;
use frontdesk_core::google::event::event_id;
use frontdeskd::calendar::{CalError, Calendar as _, Changes, Cursor, State};
use serde_json::json;

use super::super::clinic::{appointment, osei, span};
use super::super::fakes::{Reply, Scripted};
use super::{event, kept, link_to, list, meeting, moved_there, refusal, say};

async fn changes_of(replies: Vec<Reply>, since: Option<&str>) -> (Result<Changes, CalError>, Scripted) {
    let (google, server) = meeting(replies).await;
    let since = since.map(|token| Cursor(token.to_owned()));
    let changes = google.changes(&osei(), since.as_ref(), &|_, etag| etag != Some("\"known\"")).await;
    (changes, server)
}

#[tokio::test]
async fn at_first_everything_is_looked_at_and_then_what_has_changed() {
    let (known, news) = (appointment(7), appointment(8));
    let mut first =
        list(&json!([kept(&known, "known"), event("staff", "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z")]));
    first["nextPageToken"] = "2".into();
    let (changes, server) = changes_of(vec![say(&first), say(&list(&json!([moved_there(&news, "5")])))], None).await;
    let changes = changes.unwrap();
    assert_eq!(changes.present, Some([known.id, news.id].into()));
    let [(id, State::There(link, own))] = &changes.ours[..] else { panic!("{changes:?}") };
    assert_eq!((*id, link), (news.id, &link_to(&news, "5")), "what is known is no news");
    assert_eq!(own.time, span("2026-12-01T17:00Z", "2026-12-01T17:30Z"));
    assert_eq!(changes.cursor, Cursor("sync-1".to_owned()));
    let requests = server.requests();
    assert!(
        requests.iter().all(|request| !request.contains("timeMin") && !request.contains("syncToken")),
        "{requests:?}"
    );

    let gone = json!({ "id": event_id(known.id), "status": "cancelled" });
    let (changes, server) = changes_of(vec![say(&list(&json!([gone])))], Some("sync-0")).await;
    let changes = changes.unwrap();
    assert_eq!((changes.ours, changes.present), (vec![(known.id, State::Gone)], None));
    assert!(server.requests()[0].contains("syncToken=sync-0"), "{:?}", server.requests());
}

#[tokio::test]
async fn when_google_has_forgotten_since_when_everything_is_looked_at_anew() {
    for forgotten in [refusal(410, "fullSyncRequired"), refusal(410, "updatedMinTooLongAgo"), refusal(400, "invalid")] {
        let whole = say(&list(&json!([kept(&appointment(7), "known")])));
        let (changes, server) = changes_of(vec![forgotten, whole], Some("old")).await;
        assert_eq!(changes.unwrap().present, Some([AppointmentId(7)].into()));
        assert!(!server.requests()[1].contains("syncToken"), "{:?}", server.requests());
    }
    let (changes, server) = changes_of(vec![refusal(410, "fullSyncRequired")], None).await;
    assert!(changes.is_err());
    assert_eq!(server.requests().len(), 1, "nothing is asked in circles");
    let mut endless = list(&json!([]));
    endless.as_object_mut().unwrap().remove("nextSyncToken");
    let (changes, _server) = changes_of(vec![say(&endless)], None).await;
    assert!(changes.unwrap_err().to_string().contains("where to go on"));
}
