//! How long a caller waits for an answer from 1 MB of the clinic's own texts, beside the goal: 5 ms for 99 of 100, measured from
//! the question's words to the passages that are told; and how long it takes to make the texts ready.
//!
//! `cargo run --release -p frontdeskd --example knowledge_cost [DIRECTORY]`; the texts are written to a folder there, the current
//! one unless told otherwise, and removed. Exit status 1 if the goal is missed.

#![allow(clippy::print_stdout, reason = "it is a program for a person")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use frontdesk_core::knowledge::Question;
use frontdeskd::knowledge::{self, Folder};

/// Bytes of all texts together.
const TEXTS: usize = 1_000_000;
/// Bytes of one of them.
const ONE: usize = 20_000;
/// Words that there are. German texts of that size have about as many.
const WORDS: u64 = 20_000;
const QUESTIONS: usize = 2_000;
const GOAL: Duration = Duration::from_millis(5);

/// What callers ask, in the words of the shipped texts; the rest of each question is words of the others.
const ASKED: [&str; 8] = [
    "Where can I park my car when I come to see the doctor?",
    "Which insurance cards do you accept?",
    "What should I bring along for my first appointment?",
    "My mother uses a wheelchair, is there a lift?",
    "May I bring my dog into the waiting room?",
    "Wo kann ich parken und was kostet das?",
    "Brauche ich meine Versichertenkarte?",
    "Can I have a repeat prescription by tomorrow?",
];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let beside = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = beside.join(format!("knowledge-cost-{}", std::process::id()));
    let measured = measure(&folder).await;
    // What stays behind is in nobody's way.
    let _ = std::fs::remove_dir_all(&folder);
    let (ready, mut took, passages) = measured?;
    took.sort_unstable();
    let of = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let millis = |span: Duration| span.as_secs_f64() * 1_000.0;
    println!("texts made ready           {:6.1} ms for {} kB", millis(ready), TEXTS / 1_000);
    let [p50, p99, most] = [of(50), of(99), of(100)].map(millis);
    println!("answer from the texts      p50 {p50:6.2} ms   p99 {p99:6.2} ms   most {most:6.2} ms");
    anyhow::ensure!(passages > QUESTIONS, "the questions have found {passages} passages only");
    let met = of(99) <= GOAL;
    println!("goal: {GOAL:?} for 99 of 100 answers: {}", if met { "met" } else { "MISSED" });
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How long the texts took to be ready, how long each question, and how many passages were found.
async fn measure(folder: &Path) -> anyhow::Result<(Duration, Vec<Duration>, usize)> {
    std::fs::create_dir_all(folder)?;
    let mut dice = Dice(7);
    write_texts(folder, &mut dice)?;
    let (knowledge, mut keeper) = knowledge::open(Folder { path: folder.to_owned(), is_named: true });
    let began = Instant::now();
    keeper.look();
    let ready = began.elapsed();
    let (mut took, mut passages) = (Vec::new(), 0);
    for n in 0..QUESTIONS {
        let asked = format!("{} {} {}", ASKED[n % ASKED.len()], dice.word(), dice.word());
        let began = Instant::now();
        let Some(question) = Question::of([asked.as_str()]) else { continue };
        passages += knowledge.find(question).await.len();
        took.push(began.elapsed());
    }
    Ok((ready, took, passages))
}

/// The shipped texts, and made-up ones up to the size.
fn write_texts(folder: &Path, dice: &mut Dice) -> std::io::Result<()> {
    let mut written = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../images/knowledge"))? {
        let entry = entry?;
        written += usize::try_from(std::fs::copy(entry.path(), folder.join(entry.file_name()))?).unwrap_or(0);
    }
    for n in 0.. {
        if written >= TEXTS {
            break;
        }
        let text = text(dice, ONE.min(TEXTS - written));
        written += text.len();
        std::fs::write(folder.join(format!("text-{n}.md")), text)?;
    }
    Ok(())
}

fn text(dice: &mut Dice, long: usize) -> String {
    let mut text = String::new();
    while text.len() < long {
        text.push_str(&["## ", &dice.word(), " ", &dice.word(), "\n\n"].concat());
        for _ in 0..4 {
            let sentence: Vec<String> = (0..14).map(|_| dice.word()).collect();
            text.push_str(&[&sentence.join(" "), ".\n"].concat());
        }
        text.push('\n');
    }
    text
}

/// Made-up words, the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// As in a language: few words make most of a text. Some are put together, and some are the callers'.
    fn word(&mut self) -> String {
        let rank = |roll: u64| {
            let part = (roll % 1_000_000) as f64 / 1e6;
            (WORDS as f64).powf(part) as u64
        };
        let rank = rank(self.next());
        let known = ["parking", "Karte", "insurance", "bring", "Termin", "doctor", "waiting", "room"];
        match known.get(rank as usize % 100).filter(|_| rank < 2_000) {
            Some(word) => (*word).to_owned(),
            None if rank % 7 == 0 => format!("{}{}", spelt(rank), spelt(rank / 7)),
            None => spelt(rank),
        }
    }
}

/// The word of that rank: syllables, more for the rarer.
fn spelt(mut rank: u64) -> String {
    const SYLLABLES: [&str; 24] = [
        "ka", "ri", "ten", "pla", "so", "ver", "mi", "lung", "be", "stra", "no", "ger", "tu", "fel", "an", "do",
        "sche", "pi", "wal", "er", "ku", "lin", "ha", "zei",
    ];
    let mut word = String::new();
    loop {
        word += SYLLABLES[rank as usize % SYLLABLES.len()];
        rank /= SYLLABLES.len() as u64;
        if rank == 0 {
            return word;
        }
    }
}
