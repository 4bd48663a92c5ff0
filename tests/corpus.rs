//! The kept corpus of every fuzz target, run as ordinary tests: what a fuzzer once needed hours for is checked each time.

use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("the corpus is readable").path()).collect();
    paths.sort();
    paths
}

/// Runs every file of one target; a failure names the file.
fn run(name: &str, target: fn(&[u8])) {
    let files = sorted(&corpus().join(name));
    assert!(files.len() >= 5, "{name} has a corpus of {} files", files.len());
    for file in files {
        let bytes = std::fs::read(&file).expect("the corpus is readable");
        // The panic itself has been printed by then.
        assert!(std::panic::catch_unwind(|| target(&bytes)).is_ok(), "{} breaks a promise", file.display());
    }
}

macro_rules! targets {
    ($($target:ident)+) => {
        const TESTED: &[&str] = &[$(stringify!($target)),+];

        $(#[test]
        fn $target() {
            run(stringify!($target), frontdesk_fuzz::$target);
        })+
    };
}

targets! {
    audio calendar_answer calendar_object call_leg caller_words config conversation gemini_message google_answer
    hid_descriptor hid_reports
    identifiers live_session signature tool_call twilio_message twiml webhook
}

#[test]
fn every_target_has_its_test_its_folder_and_its_program() {
    let names: Vec<&str> = frontdesk_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED);
    let stems = |directory: PathBuf| -> Vec<String> {
        sorted(&directory).iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(stems(corpus()), names);
    assert_eq!(stems(corpus().with_file_name("fuzz_targets")), names);
}

/// The kept corpus is for reading and for review: it must not grow into a data set.
#[test]
fn the_corpus_stays_small() {
    let files = sorted(&corpus()).into_iter().flat_map(|directory| sorted(&directory));
    let bytes: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes < 1_000_000, "{bytes} bytes");
}
