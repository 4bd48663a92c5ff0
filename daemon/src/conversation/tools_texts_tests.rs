//! Questions that the clinic's own texts answer: what the model calls, and what it is told.

use frontdesk_core::gemini::calls::CallKey;
use serde_json::json;

use super::world::{CALLER, World, output, status};
use crate::knowledge::{self, Folder, Knowledge};

const PARKING: &str =
    "# Parking\n## Getting here\nPark **behind** the house.\n\n| Time | Price |\n|--|--|\n| 2 hours | free |\n";
const SURGERY: &str = "# After surgery\nA check-up after surgery costs fifty euros.";

/// Texts that have been read.
fn texts(texts: &[(&str, &str)]) -> Knowledge {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (knowledge, mut keeper) = knowledge::open(Folder { path: folder.path().to_owned(), is_named: true });
    keeper.look();
    knowledge
}

#[tokio::test]
async fn a_question_beyond_the_clinics_data_is_answered_with_the_words_of_its_texts_and_their_place() {
    let world = World::knowing(texts(&[("parking.md", PARKING), ("surgery.md", SURGERY)]));
    let mut caller = world.caller(1, CALLER);
    let args = json!({ "topic": "other", "question": "Où puis-je me garer ?", "keywords": "parking, car park" });
    let answer = caller.call("clinic_info", args).await;
    assert_eq!(status(&answer), "found");
    assert_eq!(
        output(&answer)["passages"],
        json!([{
            "source": "parking.md, Parking, Getting here",
            "quote": "Park behind the house. Time: 2 hours; Price: free.",
        }])
    );
    let pool = json!({ "topic": "other", "question": "Is there a swimming pool?" });
    assert_eq!(status(&caller.call("clinic_info", pool).await), "not_known");
    assert_eq!((world.rows().await.len(), world.errands().await.len()), (0, 0), "nothing is written down");
}

#[tokio::test]
async fn the_clinics_data_come_first_and_its_texts_add_to_them() {
    let mut caller = World::knowing(texts(&[("surgery.md", SURGERY)])).caller(1, CALLER);
    let price = json!({ "topic": "prices", "about": "check-up", "question": "What is a check-up after surgery?" });
    let answer = caller.call("clinic_info", price).await;
    assert_eq!(status(&answer), "known");
    assert!(output(&answer)["facts"].to_string().contains("forty euros"), "{answer}");
    assert_eq!(output(&answer)["passages"][0]["source"], "surgery.md, After surgery");
    assert!(output(&answer)["next_step"].as_str().unwrap().contains("the facts hold"), "{answer}");
    let hours = json!({ "topic": "hours", "question": "When are you open for surgery?" });
    assert!(output(&caller.call("clinic_info", hours).await).get("passages").is_none());
}

#[tokio::test]
async fn texts_are_searched_while_the_store_cannot_be_used() {
    let world = World::knowing(texts(&[("parking.md", PARKING)]));
    let mut caller = world.caller(1, CALLER);
    world.close().await;
    let answer = caller.call("clinic_info", json!({ "topic": "other", "question": "Where can I park?" })).await;
    assert_eq!(status(&answer), "found");
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_any_more_is_dropped_and_the_next_call_is_served() {
    let (knowledge, keeper) = knowledge::open(Folder { path: "/nowhere".into(), is_named: true });
    let mut caller = World::knowing(knowledge).caller(1, CALLER);
    caller.start(7, "clinic_info", json!({ "topic": "other", "question": "Where can I park?" }));
    assert!(caller.go_on().await.is_none(), "the texts are not read yet");
    caller.tools().cancel(CallKey(7));
    caller.start(8, "clinic_info", json!({ "topic": "hours" }));
    let done = caller.next().await;
    assert_eq!((done.key, done.told.as_str()), (CallKey(8), "clinic_info: known"));
    drop(keeper);
}
