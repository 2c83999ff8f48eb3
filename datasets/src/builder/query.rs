//! What a task asks for, as data: everything else (prompt, program, expected output, mutants) is derived from it.

/// The tables a query may read and what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    /// One table, or two that share their `id`s.
    pub(crate) tables: Vec<Table>,
}

/// A table with an integer primary key `id` and these columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
}

/// A column; no two columns of a schema share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Text,
    Integer,
}

impl Schema {
    /// Columns of a kind, over all tables that `query` reads.
    pub(crate) fn columns(&self, tables: usize, kind: Kind) -> Vec<Column> {
        let all = self.tables.iter().take(tables).flat_map(|table| &table.columns);
        all.copied().filter(|column| column.kind == kind).collect()
    }
}

/// One query over the first table of a schema, or over both joined by `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) table: &'static str,
    pub(crate) joined: Option<&'static str>,
    pub(crate) output: Output,
    pub(crate) filter: Filter,
    pub(crate) order: Option<Order>,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A column of each row.
    Column(Column),
    /// An integer column of each row, plus or times a constant.
    Transformed(Column, Transform),
    /// The number of rows.
    Count,
    /// An aggregate over an integer column.
    Aggregate(Aggregate, Column),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    Plus(i64),
    Times(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Max,
    Min,
}

impl Aggregate {
    pub(crate) const ALL: [Self; 3] = [Self::Sum, Self::Max, Self::Min];
}

/// Which rows: one predicate, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) first: Predicate,
    pub(crate) second: Option<(Connective, Predicate)>,
}

impl Filter {
    pub(crate) fn predicates(&self) -> Vec<Predicate> {
        std::iter::once(self.first).chain(self.second.map(|(_, predicate)| predicate)).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connective {
    And,
    Or,
}

/// A test of a column against one line of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predicate {
    pub(crate) column: Column,
    pub(crate) test: Test,
    pub(crate) input: Input,
}

/// How a column is tested: the first two for text, the last two for integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equals,
    StartsWith,
    AtLeast,
    AtMost,
}

impl Test {
    pub(crate) const ALL: [Self; 4] = [Self::Equals, Self::StartsWith, Self::AtLeast, Self::AtMost];

    pub(crate) fn of(kind: Kind) -> [Self; 2] {
        match kind {
            Kind::Text => [Self::Equals, Self::StartsWith],
            Kind::Integer => [Self::AtLeast, Self::AtMost],
        }
    }
}

/// Which line of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    First,
    Second,
}

impl Input {
    pub(crate) const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The variable that programs keep it in.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::First => "a",
            Self::Second => "b",
        }
    }
}

/// Order of rows by an integer column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) column: Column,
    pub(crate) descending: bool,
}
