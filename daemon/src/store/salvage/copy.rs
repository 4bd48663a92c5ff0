//! Carrying the rows of one table over: from a file that may end, lie or fail at any of them.

use std::fmt;
use std::time::Instant;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, Result, Row, params_from_iter};

use super::super::damage::Limit;
use super::tables::{Rows, Table, is_plausible};

/// Numbers that are tried, one after the other, behind a row that cannot be read: more than are on a page. From then on
/// steps double, as far as the last number that the file speaks of, which may be anything.
const PROBES: i64 = 10_000;

/// Where rows are read from.
pub(super) struct Source {
    db: Connection,
    /// No longer.
    until: Instant,
    _limit: Limit,
}

impl Source {
    /// Nothing is read of it after `until`.
    pub(super) fn new(db: Connection, until: Instant) -> Self {
        Self { _limit: Limit::new(&db, until), db, until }
    }

    fn is_over(&self) -> bool {
        Instant::now() > self.until
    }
}

/// What came of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Copied {
    table: &'static str,
    /// Rows in the new file.
    saved: usize,
    /// Of these from the backup.
    restored: usize,
    /// Rows that were read and are none of ours any more, or contradict others.
    unusable: usize,
    /// Places that could not be read, each of one row or many.
    holes: usize,
    /// Time ran out.
    cut: bool,
}

impl Copied {
    pub(super) fn is_worth_a_word(&self) -> bool {
        self.saved + self.unusable + self.holes > 0 || self.cut
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.saved)?;
        if self.restored > 0 {
            write!(f, ", of these {} from the backup", self.restored)?;
        }
        if self.unusable > 0 {
            write!(f, ", {} unusable", self.unusable)?;
        }
        if self.holes > 0 {
            write!(f, ", unreadable in {} {}", self.holes, if self.holes == 1 { "place" } else { "places" })?;
        }
        if self.cut { write!(f, ", not all for lack of time") } else { Ok(()) }
    }
}

/// Copies what `damaged` has of a table into `to`, then what `backup` has besides. An error is one of `to` alone.
pub(super) fn copy(
    table: &Table,
    damaged: Option<&Source>,
    backup: Option<&Source>,
    to: &Connection,
) -> Result<Copied> {
    let mut copied = Copied { table: table.name, ..Copied::default() };
    if let Some(source) = damaged {
        Copying::new(table, source, to)?.map_or(Ok(()), |copying| copying.run(&mut copied))?;
    }
    let from_damaged = copied.saved;
    if let Some(source) = backup {
        // What it says besides is older than what was read, and no loss.
        let mut besides = Copied::default();
        Copying::new(table, source, to)?.map_or(Ok(()), |copying| copying.run(&mut besides))?;
        copied.restored = besides.saved;
        copied.saved = from_damaged + besides.saved;
    }
    Ok(copied)
}

struct Copying<'a> {
    table: &'a Table,
    from: &'a Source,
    to: &'a Connection,
    /// Those that both have.
    columns: Vec<String>,
    insert: String,
}

impl<'a> Copying<'a> {
    /// Nothing if `from` has no such table, or its description is lost.
    fn new(table: &'a Table, from: &'a Source, to: &'a Connection) -> Result<Option<Self>> {
        let Ok(theirs) = columns(&from.db, table.name) else { return Ok(None) };
        let columns: Vec<String> = columns(to, table.name)?.into_iter().filter(|ours| theirs.contains(ours)).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, columns.join(", "));
        Ok(Some(Self { table, from, to, columns, insert }))
    }

    fn run(&self, copied: &mut Copied) -> Result<()> {
        match self.table.rows {
            Rows::Numbered => self.numbered(copied),
            Rows::Of { column, table, id } => self.of_others(copied, column, &format!("SELECT {id} FROM {table}")),
        }
    }

    /// Row by row in the order of their numbers; from a row that cannot be read to the next that can.
    fn numbered(&self, copied: &mut Copied) -> Result<()> {
        let name = self.table.name;
        let last = self.from.db.query_row(&format!("SELECT MAX(rowid) FROM {name}"), [], |row| row.get(0));
        let last: Option<i64> = last.unwrap_or_default();
        let sql = format!("SELECT {}, rowid FROM {name} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid", self.list());
        let (mut next, mut failed, mut step) = (1_i64, 0, 1_i64);
        while !self.is_cut(copied) {
            let before = next;
            if self.some(&sql, Value::Integer(next), copied, Some(&mut next))? {
                return Ok(());
            }
            // Something was read first, so this is another place.
            failed = if next > before { 1 } else { failed + 1 };
            copied.holes += usize::from(failed == 1);
            step = if failed > PROBES { step.saturating_mul(2) } else { 1 };
            let Some(further) = next.checked_add(step) else { return Ok(()) };
            next = further;
            if last.map_or(failed > PROBES, |last| next > last) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// With each row that was carried over of the table they belong to.
    fn of_others(&self, copied: &mut Copied, column: &str, others: &str) -> Result<()> {
        let ids: Vec<Value> = self.to.prepare(others)?.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
        let sql = format!("SELECT {} FROM {} WHERE {column} = ?1", self.list(), self.table.name);
        for id in ids {
            if self.is_cut(copied) {
                break;
            }
            copied.holes += usize::from(!self.some(&sql, id, copied, None)?);
        }
        Ok(())
    }

    /// Whether time has run out, also where nothing was read.
    fn is_cut(&self, copied: &mut Copied) -> bool {
        copied.cut |= self.from.is_over();
        copied.cut
    }

    fn list(&self) -> String {
        self.columns.join(", ")
    }

    /// Copies rows until there are no more, or until one cannot be read: `false`. `next` becomes the number behind the
    /// last one.
    fn some(&self, sql: &str, from: Value, copied: &mut Copied, mut next: Option<&mut i64>) -> Result<bool> {
        let Ok(mut statement) = self.from.db.prepare_cached(sql) else { return Ok(false) };
        let Ok(mut rows) = statement.query([from]) else { return Ok(false) };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(true),
                Err(_) => return Ok(false),
            };
            if let Some(next) = &mut next {
                match row.get::<_, i64>(self.columns.len()) {
                    // Out of order: it is no row, and what comes behind it none either.
                    Ok(number) if number >= **next && number < i64::MAX => **next = number + 1,
                    _ => return Ok(false),
                }
            }
            self.take(row, copied)?;
            if self.is_cut(copied) {
                return Ok(true);
            }
        }
    }

    /// Puts a row into the new file, if it is one.
    fn take(&self, row: &Row<'_>, copied: &mut Copied) -> Result<()> {
        let Some(values) = self.values(row) else {
            copied.unusable += 1;
            return Ok(());
        };
        match self.to.prepare_cached(&self.insert)?.execute(params_from_iter(values)) {
            Ok(_) if self.table_reads(self.to.last_insert_rowid())? => copied.saved += 1,
            Ok(_) => copied.unusable += 1,
            // It is there already, contradicts what is, or breaks the rules of its columns.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => copied.unusable += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn values(&self, row: &Row<'_>) -> Option<Vec<Value>> {
        let value = |(at, column): (usize, &String)| {
            let value = match row.get_ref(at).ok()? {
                ValueRef::Text(bytes) => Value::Text(String::from_utf8(bytes.to_vec()).ok()?),
                other => other.try_into().ok()?,
            };
            is_plausible(column, &value).then_some(value)
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    /// Whether the daemon will be able to read that row; it is taken out again otherwise.
    fn table_reads(&self, number: i64) -> Result<bool> {
        if self.table.is_read.is_none_or(|is_read| is_read(self.to, number).is_ok()) {
            return Ok(true);
        }
        self.to.execute(&format!("DELETE FROM {} WHERE rowid = ?1", self.table.name), [number])?;
        Ok(false)
    }
}

fn columns(db: &Connection, table: &str) -> Result<Vec<String>> {
    db.prepare("SELECT name FROM pragma_table_info(?1)")?.query_map([table], |row| row.get(0))?.collect()
}
