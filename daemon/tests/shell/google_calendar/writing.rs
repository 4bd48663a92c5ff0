//! Appointments as entries, and what others have made of them meanwhile.

use frontdesk_core::booking::appointment::AppointmentId;
use frontdesk_core::google::event::event_id;
use frontdeskd::calendar::{CalError, Calendar as _, Link, Retry, State};
use serde_json::json;

use super::super::clinic::{appointment, clinic, entry, moved, osei};
use super::super::fakes::Reply;
use super::{
    OTHERS_PLACE, PLACE, address, asked, body, deleted, event, kept, kim, link_to, list, meeting, moved_there, refusal,
    say,
};

#[tokio::test]
async fn an_appointment_is_written_once_under_its_own_id() {
    let (clinic, booked) = (clinic(), appointment(7));
    let (google, server) = meeting([refusal(404, "notFound"), say(&kept(&booked, "1"))]).await;
    assert_eq!(google.put(entry(&booked, &clinic)).await, Ok(link_to(&booked, "1")));
    let place = PLACE.trim_end_matches('/');
    assert_eq!(asked(&server), [format!("GET /{}", address(&booked)), format!("POST /{place}")]);
    let request = &server.requests()[1];
    assert!(request.contains("sendUpdates=none") && !request.contains("if-match"), "{request}");
    let sent = body(request);
    assert_eq!(sent["id"], event_id(booked.id));
    assert_eq!(sent["summary"], "Dr. Amara Osei: K7Q-4MR", "and no name");
    assert!(sent.get("attendees").is_none(), "nobody is invited");

    // Once more: the answer was lost, or the store's note of it.
    let (google, server) = meeting([say(&kept(&booked, "1"))]).await;
    assert_eq!(google.put(entry(&booked, &clinic)).await, Ok(link_to(&booked, "1")));
    assert_eq!(server.requests().len(), 1);
}

/// Google has done it, and its answer was lost: nothing is written twice, nothing is called changed by staff.
#[tokio::test]
async fn a_lost_answer_to_a_write_is_found_out() {
    let (clinic, booked) = (clinic(), appointment(7));
    let later = moved(&booked);
    let nothing = || refusal(404, "notFound");
    // It was not seen, but its id is taken: it had just been written.
    let (google, _server) = meeting([nothing(), refusal(409, "duplicate"), say(&kept(&booked, "1"))]).await;
    assert_eq!(google.put(entry(&booked, &clinic)).await, Ok(link_to(&booked, "1")));
    let (google, _server) = meeting([refusal(412, "conditionNotMet"), say(&kept(&later, "2"))]).await;
    assert_eq!(google.update(&link_to(&booked, "1"), entry(&later, &clinic)).await, Ok(link_to(&booked, "2")));
    let (google, server) = meeting([nothing(), Reply::Drop]).await;
    assert_eq!(google.put(entry(&booked, &clinic)).await.unwrap_err().retry(), Retry::Later);
    assert_eq!(asked(&server).len(), 2, "no second POST: whether the first has arrived is asked first");
}

#[tokio::test]
async fn an_id_that_is_taken_is_looked_at_before_anything_is_done() {
    let (clinic, booked) = (clinic(), appointment(7));
    let later = moved(&booked);
    let conflict = Err(CalError::Conflict);
    let at = |etag: &str| Ok(link_to(&booked, etag));
    for (there, wanted, patched, expected) in [
        (kept(&booked, "1"), &later, true, at("2")),
        (moved_there(&booked, "1"), &later, false, conflict.clone()),
        (moved_there(&booked, "1"), &booked, false, conflict.clone()),
        (event(&event_id(AppointmentId(9)), "2026-12-01T14:00:00Z", "2026-12-01T14:30:00Z"), &booked, false, conflict),
        // Staff have deleted it: theirs holds, unless the patient has asked for another time since.
        (deleted(&booked, "1"), &booked, false, Err(CalError::NotFound)),
        (deleted(&booked, "1"), &later, true, at("2")),
    ] {
        let (google, server) = meeting([say(&there), say(&kept(wanted, "2"))]).await;
        assert_eq!(google.put(entry(wanted, &clinic)).await, expected, "{there}");
        let requests = server.requests();
        assert_eq!(requests.len(), if patched { 2 } else { 1 }, "{requests:?}");
        if patched {
            assert!(requests[1].starts_with("PATCH") && requests[1].contains("if-match: \"1\""), "{}", requests[1]);
            assert_eq!(body(&requests[1])["status"], "confirmed", "also where it was deleted");
        }
    }
    let (google, _server) = meeting([
        refusal(404, "notFound"),
        refusal(409, "duplicate"),
        refusal(404, "notFound"),
        say(&list(&json!([]))),
    ])
    .await;
    let error = google.put(entry(&booked, &clinic)).await.unwrap_err();
    assert!(error.to_string().contains("was used up long ago"), "{error}");
}

#[tokio::test]
async fn a_change_names_the_version_that_it_changes_and_theirs_holds() {
    let (clinic, booked) = (clinic(), appointment(7));
    let (later, link) = (moved(&booked), link_to(&booked, "1"));
    let (google, server) = meeting([say(&kept(&later, "2"))]).await;
    assert_eq!(google.update(&link, entry(&later, &clinic)).await, Ok(link_to(&booked, "2")));
    let request = &server.requests()[0];
    assert!(request.starts_with(&format!("PATCH /{}?", address(&booked))), "{request}");
    assert!(request.contains("if-match: \"1\"") && request.contains("sendUpdates=none"), "{request}");
    let sent = body(request);
    assert_eq!(sent["start"]["dateTime"], "2026-12-01T16:00:00+01:00");
    assert_eq!(sent["extendedProperties"]["private"]["fd_rev"], "1");
    assert!(sent.get("id").is_none() && sent.get("description").is_none(), "what staff add there stays");

    let stale = || refusal(412, "conditionNotMet");
    for (replies, expected) in [
        (vec![stale(), say(&moved_there(&booked, "9"))], CalError::Conflict),
        (vec![stale(), say(&deleted(&booked, "9"))], CalError::NotFound),
        (vec![refusal(404, "notFound"), refusal(404, "notFound"), say(&list(&json!([])))], CalError::NotFound),
    ] {
        let (google, _server) = meeting(replies).await;
        assert_eq!(google.update(&link, entry(&later, &clinic)).await, Err(expected));
    }
}

#[tokio::test]
async fn a_note_of_staffs_does_not_undo_what_the_patient_has_changed() {
    let (clinic, booked) = (clinic(), appointment(7));
    let (later, link) = (moved(&booked), link_to(&booked, "1"));
    let mut noted = kept(&booked, "2");
    noted["description"] = "Needs the ramp".into();
    let stale = || refusal(412, "conditionNotMet");
    let (google, server) = meeting([stale(), say(&noted), say(&kept(&later, "3"))]).await;
    assert_eq!(google.update(&link, entry(&later, &clinic)).await, Ok(link_to(&booked, "3")));
    let request = &server.requests()[2];
    assert!(request.starts_with("PATCH") && request.contains("if-match: \"2\""), "{request}");
    assert_eq!(body(request)["start"]["dateTime"], "2026-12-01T16:00:00+01:00");

    let (google, server) = meeting([stale(), say(&noted), stale()]).await;
    assert_eq!(google.update(&link, entry(&later, &clinic)).await.unwrap_err().retry(), Retry::Later);
    assert_eq!(server.requests().len(), 3, "and not once more");
}

/// Everybody's appointment would count as cancelled.
#[tokio::test]
async fn a_calendar_that_is_not_shared_any_more_is_no_deleted_entry() {
    let booked = appointment(7);
    let gone = || refusal(404, "notFound");
    let (google, server) = meeting([gone(), gone()]).await;
    let error = google.state(&osei(), booked.id).await.unwrap_err();
    assert!(matches!(error, CalError::Config(_)), "{error}");
    assert_eq!(asked(&server)[1], format!("GET /{}", PLACE.trim_end_matches('/')), "the calendar itself");
    let (google, _server) = meeting([gone(), gone()]).await;
    assert!(matches!(google.remove(&osei(), &link_to(&booked, "1")).await, Err(CalError::Config(_))));

    let (google, _server) = meeting([gone(), say(&list(&json!([])))]).await;
    assert_eq!(google.state(&osei(), booked.id).await, Ok(State::Gone));
}

#[tokio::test]
async fn an_entry_is_taken_out_in_its_version_and_gone_already_is_as_good() {
    let booked = appointment(7);
    let link = link_to(&booked, "1");
    let stale = || refusal(412, "conditionNotMet");
    for (replies, expected) in [
        (vec![Reply::Say(204, String::new())], Ok(())),
        (vec![refusal(410, "deleted")], Ok(())),
        (vec![stale(), say(&deleted(&booked, "2"))], Ok(())),
        (vec![stale(), say(&moved_there(&booked, "2"))], Err(CalError::Conflict)),
        (vec![refusal(404, "notFound"), say(&list(&json!([])))], Ok(())),
    ] {
        let (google, server) = meeting(replies).await;
        assert_eq!(google.remove(&osei(), &link).await, expected);
        let request = &server.requests()[0];
        assert!(request.starts_with("DELETE") && request.contains("if-match: \"1\""), "{request}");
    }
    // Staff have deleted it there, and that is what `state` says.
    let (google, _server) = meeting([say(&deleted(&booked, "2"))]).await;
    assert_eq!(google.state(&osei(), booked.id).await, Ok(State::Gone));
}

#[tokio::test]
async fn an_appointment_with_somebody_else_is_written_there_before_it_is_taken_out_here() {
    let (clinic, booked) = (clinic(), appointment(7));
    let mut with_kim = moved(&booked);
    with_kim.slot.practitioner = kim();
    let there = format!("{OTHERS_PLACE}{}", event_id(booked.id));
    // It had been with her before: what is deleted there is of an older revision.
    for first in [refusal(404, "notFound"), say(&deleted(&booked, "3"))] {
        let (google, server) = meeting([first, say(&kept(&with_kim, "4")), Reply::Say(204, String::new())]).await;
        let link = google.update(&link_to(&booked, "1"), entry(&with_kim, &clinic)).await.unwrap();
        assert_eq!(link, Link { address: there.clone(), etag: Some("\"4\"".to_owned()) });
        let asked = asked(&server);
        assert!(asked[1].starts_with("POST") || asked[1] == format!("PATCH /{there}"), "{asked:?}");
        assert_eq!(asked[2], format!("DELETE /{}", address(&booked)));
    }
}
