//! The full text of all passages, in memory: SQLite's FTS5 finds and ranks, the passages themselves lie beside it.
//!
//! The index holds words in their common form (`frontdesk_core::knowledge::searchable`) and takes them as they are, so that
//! text and question are certain to be treated alike. FTS5 could do more by itself, and less well: `remove_diacritics 2`
//! leaves `ß` and `ø` as they are and finds no word within another; `trigram` does, but finds `car` in `scarlet` too, takes
//! three times the memory (7.7 MB for 1 MB of texts) and twice the time for a question (both tried in November 2026).

use std::sync::{Mutex, PoisonError};

use frontdesk_core::knowledge::{MOST_TOLD, Passage, Question, Vocabulary, searchable, worth_telling};
use rusqlite::Connection;

/// `content = ''`: the words are kept for searching only. The second statement ranks by Okapi BM25, a word in a heading as
/// much as three in the text.
const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    CREATE VIRTUAL TABLE words USING fts5(title, body, content = '', tokenize = 'unicode61 remove_diacritics 0');
    INSERT INTO words (words, rank) VALUES ('rank', 'bm25(3.0, 1.0)');";
/// FTS5's ranks are better the lower they are.
const FIND: &str = "SELECT rowid, -rank FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT ?2";

/// Passages that can be searched. The default has none.
#[derive(Default)]
pub struct Index {
    /// Nothing where there are no passages. Searches take turns; each takes about a millisecond.
    words: Option<Mutex<Connection>>,
    vocabulary: Vocabulary,
    /// In the order of the rows, the first of which is 1.
    passages: Vec<Passage>,
}

impl Index {
    /// The index of some passages. Takes some 0.2 s per megabyte of them on a desktop processor.
    pub fn build(passages: Vec<Passage>) -> rusqlite::Result<Self> {
        if passages.is_empty() {
            return Ok(Self::default());
        }
        let rows: Vec<_> = passages.iter().map(|passage| (passage.title_words(), searchable(&passage.text))).collect();
        let mut db = Connection::open_in_memory()?;
        db.execute_batch(SCHEMA)?;
        let filling = db.transaction()?;
        {
            let mut insert = filling.prepare("INSERT INTO words (rowid, title, body) VALUES (?1, ?2, ?3)")?;
            for (row, (title, body)) in (1_i64..).zip(&rows) {
                insert.execute((row, title, body))?;
            }
            filling.execute("INSERT INTO words (words) VALUES ('optimize')", [])?;
        }
        filling.commit()?;
        let whole: Vec<String> = rows.iter().map(|(title, body)| format!("{title} {body}")).collect();
        let vocabulary = Vocabulary::of(whole.iter().map(String::as_str));
        Ok(Self { words: Some(Mutex::new(db)), vocabulary, passages })
    }

    /// The passages that answer a question and are worth telling, the best first. Blocks for about a millisecond.
    pub fn find(&self, question: &Question) -> rusqlite::Result<Vec<Passage>> {
        let (Some(words), Some(expression)) = (&self.words, question.expression(&self.vocabulary)) else {
            return Ok(Vec::new());
        };
        let db = words.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = db.prepare_cached(FIND)?;
        let rows = query.query_map((expression, MOST_TOLD), |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let found = rows.collect::<rusqlite::Result<Vec<(i64, f64)>>>()?;
        let passage = |row: i64| self.passages.get(usize::try_from(row).ok()?.checked_sub(1)?).cloned();
        Ok(worth_telling(found.into_iter().filter_map(|(row, score)| Some((passage(row)?, score)))))
    }
}
