//! From Markdown to passages: what is under one heading, in plain lines that can be read aloud, cut where it is long.
//!
//! Marks, addresses of links, HTML, comments and a document's metadata are nothing that anybody would say; what was
//! struck out does not hold any more. A list becomes sentences, a row of a table says what each of its cells is.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Passage;
use crate::tools::text::line;

/// Characters of a passage, at most.
pub const LONGEST_PASSAGE: usize = 700;
/// Characters of a heading that are kept.
const LONGEST_HEADING: usize = 120;

/// The passages of a text, in order; none if it has nothing to say. `document` is its name. Any text will do: what is no
/// Markdown is a paragraph.
pub fn passages(document: &str, text: &str) -> Vec<Passage> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    // An editor's mark at the beginning would hide the metadata.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut reader = Reader { document, ..Reader::default() };
    for event in Parser::new_ext(text, options) {
        reader.read(event);
    }
    reader.end_section();
    reader.passages
}

#[derive(Default)]
struct Reader<'a> {
    document: &'a str,
    /// Above what is being read, with their levels.
    headings: Vec<(usize, String)>,
    /// What is being read.
    inline: String,
    /// Paragraphs, items and rows under the last heading.
    blocks: Vec<String>,
    /// Within something that is not said.
    hidden: usize,
    /// The names of a table's columns.
    columns: Vec<String>,
    cells: Vec<String>,
    passages: Vec<Passage>,
}

impl Reader<'_> {
    fn read(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                if self.hidden == 0 {
                    self.inline.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak | Event::InlineHtml(_) => self.inline.push(' '),
            Event::Rule => self.end_block(),
            Event::Html(_) | Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::MetadataBlock(_) | Tag::Strikethrough => self.hidden += 1,
            Tag::Heading { .. } => {
                self.end_block();
                self.end_section();
            }
            Tag::Table(_) => {
                self.end_block();
                self.columns.clear();
            }
            Tag::Emphasis
            | Tag::Strong
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::TableHead
            | Tag::TableRow
            | Tag::TableCell => {}
            // What stands before a list or a quotation is said before it.
            _ => self.end_block(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::MetadataBlock(_) | TagEnd::Strikethrough => self.hidden = self.hidden.saturating_sub(1),
            TagEnd::Heading(level) => self.end_heading(level as usize),
            TagEnd::TableCell => self.cells.push(line(&std::mem::take(&mut self.inline))),
            TagEnd::TableHead => self.columns = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.end_row(),
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image => {}
            _ => self.end_block(),
        }
    }

    fn end_heading(&mut self, level: usize) {
        let heading: String = line(&std::mem::take(&mut self.inline)).chars().take(LONGEST_HEADING).collect();
        self.headings.retain(|(above, _)| *above < level);
        if !heading.is_empty() {
            self.headings.push((level, heading));
        }
    }

    /// `Weekday: Monday; Hours: 8 to 12.`
    fn end_row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        let mut parts = Vec::new();
        for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            match self.columns.get(at).filter(|name| !name.is_empty()) {
                Some(name) => parts.push(format!("{}: {cell}", name.trim_end_matches(':'))),
                None => parts.push(cell.clone()),
            }
        }
        self.inline = parts.join("; ");
        self.end_block();
    }

    fn end_block(&mut self) {
        let mut block = line(&std::mem::take(&mut self.inline));
        if block.is_empty() {
            return;
        }
        // Side by side, what has no end would run into what follows.
        if block.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ')' | '"' | '%' | '€' | '$')) {
            block.push('.');
        }
        self.blocks.push(block);
    }

    /// Makes passages of what is under one heading, as few as there can be.
    fn end_section(&mut self) {
        self.end_block();
        let mut text = String::new();
        for piece in std::mem::take(&mut self.blocks).iter().flat_map(|block| pieces(block)) {
            if !text.is_empty() && text.chars().count() + 1 + piece.chars().count() > LONGEST_PASSAGE {
                self.passage(std::mem::take(&mut text));
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(piece);
        }
        if !text.is_empty() {
            self.passage(text);
        }
    }

    fn passage(&mut self, text: String) {
        let headings = self.headings.iter().map(|(_, heading)| heading.clone()).collect();
        self.passages.push(Passage { document: self.document.to_owned(), headings, text });
    }
}

/// A block in pieces that are short enough, cut behind a sentence if there is one, else between words, else anywhere.
fn pieces(block: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = block;
    while let Some((limit, _)) = rest.char_indices().nth(LONGEST_PASSAGE) {
        let window = &rest[..limit];
        let sentence =
            window.rmatch_indices([' ']).map(|(at, _)| at).find(|&at| window[..at].ends_with(['.', '!', '?', '。']));
        let cut = sentence.or_else(|| window.rfind(' ')).filter(|&at| at > 0).unwrap_or(limit);
        pieces.push(rest[..cut].trim_end());
        rest = rest[cut..].trim_start();
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
