//! What is searched for: a caller's words, as an expression that the index understands whatever was said.

use super::vocabulary::{Form, Vocabulary, telling};

/// Words of a question that are searched for, at most; the first ones count.
const MOST_WORDS: usize = 12;
/// Passages that are ranked, about: whatever is in them, it takes a moment for each. Words that are in most passages tell
/// least, and are left out for it.
const MOST_RANKED: usize = 1_200;
/// Words that are searched for, however common.
const FEWEST_WORDS: usize = 2;

/// A question, as words in their common form. It may name people, and has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Question(Vec<String>);

impl Question {
    /// The question that several texts ask together, the most telling text first; `None` if none of them has a word that
    /// says anything.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in texts.into_iter().flat_map(telling) {
            if words.len() < MOST_WORDS && !words.contains(&word) {
                words.push(word);
            }
        }
        (!words.is_empty()).then_some(Self(words))
    }

    /// An FTS5 query (SQLite, FTS5 extension, section 3: strings in double quotes) for passages that have any of the
    /// words, in any form that the texts have; `None` if they have none.
    ///
    /// Every word is quoted and made of letters and digits alone, so that nothing in a question is taken for syntax.
    pub fn expression(&self, known: &Vocabulary) -> Option<String> {
        let passages = |forms: &Vec<Form<'_>>| forms.iter().map(|form| form.passages).sum::<usize>();
        let mut words: Vec<_> = self.0.iter().map(|word| known.forms(word)).filter(|forms| !forms.is_empty()).collect();
        // The rarest first; equal ones in the order of the question.
        words.sort_by_key(passages);
        let (mut quoted, mut ranked): (Vec<String>, usize) = (Vec::new(), 0);
        for (at, forms) in words.iter().enumerate() {
            ranked += passages(forms);
            if at >= FEWEST_WORDS && ranked > MOST_RANKED {
                break;
            }
            for form in forms.iter().map(|form| format!("\"{}\"", form.word)) {
                if !quoted.contains(&form) {
                    quoted.push(form);
                }
            }
        }
        (!quoted.is_empty()).then(|| quoted.join(" OR "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expression(asked: &[&str], texts: &str) -> Option<String> {
        Question::of(asked.iter().copied())?.expression(&Vocabulary::of([texts]))
    }

    #[test]
    fn a_question_becomes_the_words_of_the_texts() {
        let texts = "you may park behind the house parking is free";
        assert_eq!(expression(&["Where can I park, please?"], texts).as_deref(), Some("\"park\" OR \"parking\""));
        assert_eq!(expression(&["parking", "Wo kann ich parken?"], texts).as_deref(), Some("\"parking\" OR \"park\""));
        assert_eq!(expression(&["Do you have a swimming pool?"], texts), None);
    }

    #[test]
    fn what_says_nothing_asks_nothing() {
        for nothing in ["", "???", "Where is it?", "Können Sie mir das bitte sagen?", "\" OR \"", "\0"] {
            assert!(Question::of([nothing]).is_none(), "{nothing:?}");
        }
    }

    #[test]
    fn a_long_question_is_searched_for_by_its_first_words() {
        let long: Vec<String> = (0..100).map(|n| format!("word{n:03}")).collect();
        let asked = long.join(" ");
        let expression = expression(&[&asked], &asked).unwrap();
        assert!(expression.contains("\"word011\"") && !expression.contains("\"word012\""), "{expression}");
    }

    #[test]
    fn words_that_are_nearly_everywhere_are_searched_for_only_where_there_is_nothing_better() {
        let mut texts = vec!["doctor waiting room"; 2_000];
        texts.extend(["doctor waiting parking", "tram"]);
        let known = Vocabulary::of(texts);
        let expression = |asked| Question::of([asked]).unwrap().expression(&known).unwrap();
        assert_eq!(expression("doctor waiting tram parking"), "\"tram\" OR \"parking\"");
        assert_eq!(expression("doctor"), "\"doctor\"");
        assert_eq!(expression("doctor waiting room"), "\"room\" OR \"doctor\"");
    }

    proptest! {
        #[test]
        fn nothing_in_a_question_is_syntax(asked in any::<String>(), texts in any::<String>()) {
            if let Some(expression) = expression(&[&asked], &crate::knowledge::searchable(&texts)) {
                for word in expression.split(" OR ") {
                    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap();
                    prop_assert!(!inner.is_empty() && inner.chars().all(char::is_alphanumeric), "{expression}");
                }
            }
        }
    }
}
