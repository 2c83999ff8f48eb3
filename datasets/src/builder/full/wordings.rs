//! Sentences of the full form, as data. Words in braces are filled in.
//!
//! A wording is a way to say everything; those of the evaluation split share no sentence with those of training.

use crate::builder::words::Split;

/// A way to word a task.
#[derive(Debug)]
pub(in crate::builder) struct Wording {
    /// Language, library and file.
    pub(super) task: &'static str,
    /// `{table}`, `{columns}`.
    pub(super) table: &'static str,
    /// A column in that list: `{column}`.
    pub(super) text: &'static str,
    /// As `text`, of an integer.
    pub(super) integer: &'static str,
    /// `{table}`, `{joined}`.
    pub(super) joined: &'static str,
    /// What is read, where it is one value and where it is two.
    pub(super) inputs: [&'static str; 2],
    /// The two values in a condition.
    pub(super) values: [&'static str; 2],
    /// Conditions: equals, starts with, at least, at most.
    pub(super) tests: [&'static str; 4],
    /// Between two conditions: both, either.
    pub(super) connectives: [&'static str; 2],
    /// `{output}`, `{table}`, `{filter}`.
    pub(super) rows: &'static str,
    /// `{table}`, `{filter}`.
    pub(super) count: &'static str,
    /// `{aggregate}`, `{column}`, `{table}`, `{filter}`.
    pub(super) aggregate: &'static str,
    /// Sum, largest, smallest.
    pub(super) aggregates: [&'static str; 3],
    /// What is printed where an aggregate is over nothing.
    pub(super) nothing: &'static str,
    /// Plus and times: `{column}`, `{number}`.
    pub(super) transforms: [&'static str; 2],
    /// Upwards and downwards: `{column}`.
    pub(super) orders: [&'static str; 2],
    /// The form of rows, and of one number.
    pub(super) output: [&'static str; 2],
}

const TRAIN: [Wording; 3] = [
    Wording {
        task: "Write a Python 3 program that queries the SQLite database in the file data.db with the module sqlite3.",
        table: "The table {table} has the columns id (integer, primary key), {columns}.",
        text: "{column} (text)",
        integer: "{column} (integer)",
        joined: "Rows of {table} and {joined} with the same id belong together.",
        inputs: ["The program reads one line from standard input.", "The program reads two lines from standard input."],
        values: ["the first line", "the second line"],
        tests: [
            "{column} is equal to {value}",
            "{column} starts with {value}",
            "{column} is at least {value}",
            "{column} is at most {value}",
        ],
        connectives: [" and ", " or "],
        rows: "Print {output} of every row of {table} where {filter}.",
        count: "Print the number of rows of {table} where {filter}.",
        aggregate: "Print the {aggregate} {column} of all rows of {table} where {filter}.",
        aggregates: ["sum of", "largest", "smallest"],
        nothing: "Where there is no such row, print None.",
        transforms: ["{column} plus {number}", "{column} times {number}"],
        orders: ["Sort by {column}, the smallest first.", "Sort by {column}, the largest first."],
        output: ["Print one value on each line and nothing else.", "Print that value and nothing else."],
    },
    Wording {
        task: "In Python, use the standard library's sqlite3 to answer a question about the SQLite database data.db in the current folder.",
        table: "{table} is a table with an integer primary key id and these columns: {columns}.",
        text: "{column}, a text",
        integer: "{column}, an integer",
        joined: "Join {table} with {joined} on id.",
        inputs: ["Read a value x with input().", "Read two values with input(), first x, then y."],
        values: ["x", "y"],
        tests: ["{column} = {value}", "{column} begins with {value}", "{column} >= {value}", "{column} <= {value}"],
        connectives: [" and ", " or "],
        rows: "For the rows of {table} with {filter}, show {output}.",
        count: "Show how many rows of {table} there are with {filter}.",
        aggregate: "Show the {aggregate} {column} over the rows of {table} with {filter}.",
        aggregates: ["total", "maximum", "minimum"],
        nothing: "Show None if there are no such rows.",
        transforms: ["{column} + {number}", "{column} * {number}"],
        orders: ["The order is by {column}, ascending.", "The order is by {column}, descending."],
        output: ["Each value is on a line of its own; there is no other output.", "There is no other output."],
    },
    Wording {
        task: "A program in Python 3 is needed; it opens data.db, a SQLite file, with sqlite3.",
        table: "In data.db there is the table {table}: id is its integer primary key, and it has {columns}.",
        text: "the text {column}",
        integer: "the integer {column}",
        joined: "{joined} describes the same things as {table}: equal ids mean the same thing.",
        inputs: ["Standard input holds one line, a.", "Standard input holds two lines, a and below it b."],
        values: ["a", "b"],
        tests: [
            "its {column} is {value}",
            "its {column} has {value} as its beginning",
            "its {column} is {value} or more",
            "its {column} is {value} or less",
        ],
        connectives: [" and ", " or "],
        rows: "It prints {output} of each row in {table} if {filter}.",
        count: "It counts the rows in {table}: a row counts if {filter}.",
        aggregate: "It prints the {aggregate} {column} in {table}, where a row takes part if {filter}.",
        aggregates: ["summed-up", "highest", "lowest"],
        nothing: "If no row takes part it prints None.",
        transforms: ["the sum of {column} and {number}", "the product of {column} and {number}"],
        orders: ["A row with a smaller {column} comes earlier.", "A row with a larger {column} comes earlier."],
        output: ["It prints a line for each of them, with no more on it.", "It prints one line, with no more on it."],
    },
];

const EVAL: [Wording; 2] = [
    Wording {
        task: "The SQLite database data.db lies in the working directory. Your task is to query it in Python, using only the sqlite3 module.",
        table: "Schema of {table}: id INTEGER PRIMARY KEY, {columns}.",
        text: "{column} TEXT",
        integer: "{column} INTEGER",
        joined: "The tables {table} and {joined} are related one to one through id.",
        inputs: ["One parameter comes as a line on stdin.", "Two parameters come as lines on stdin, in this order."],
        values: ["parameter 1", "parameter 2"],
        tests: [
            "the {column} matches {value} exactly",
            "the {column} has the prefix {value}",
            "the {column} is not below {value}",
            "the {column} is not above {value}",
        ],
        connectives: [", and at the same time ", ", or else "],
        rows: "Select from {table} the entries for which {filter}, and output {output} for every one.",
        count: "Determine for how many entries of {table} it holds that {filter}; output that count.",
        aggregate: "Among the entries of {table} for which {filter}, output the {aggregate} {column}.",
        aggregates: ["overall sum of", "greatest", "least"],
        nothing: "Output None in case nothing is selected.",
        transforms: ["{column} increased by {number}", "{column} multiplied by {number}"],
        orders: [
            "Entries are listed from the lowest {column} to the highest.",
            "Entries are listed from the highest {column} to the lowest.",
        ],
        output: [
            "The output consists of these values alone, each followed by a line break.",
            "The output consists of this value alone, followed by a line break.",
        ],
    },
    Wording {
        task: "Complete this job with a Python script: connect to the SQLite file data.db by means of sqlite3, run one query, print its result.",
        table: "Available is {table}(id, {columns}), where id is the integer primary key.",
        text: "{column}: str",
        integer: "{column}: int",
        joined: "To each record of {table} belongs the record of {joined} that has its id.",
        inputs: ["The user types a single term.", "The user types two terms, each on its own line."],
        values: ["the term typed first", "the term typed second"],
        tests: [
            "whose {column} equals {value}",
            "whose {column} opens with {value}",
            "whose {column} is no smaller than {value}",
            "whose {column} is no greater than {value}",
        ],
        connectives: [" as well as ", " or "],
        rows: "Wanted: {output} for all records in {table} {filter}.",
        count: "Wanted: the tally of records in {table} {filter}.",
        aggregate: "Wanted: the {aggregate} {column} across records in {table} {filter}.",
        aggregates: ["accumulated", "top", "bottom"],
        nothing: "With no record left, None is wanted.",
        transforms: ["{column} with {number} added", "{number} times {column}"],
        orders: ["Arrange records with rising {column}.", "Arrange records with falling {column}."],
        output: [
            "Give one result per line without any further text.",
            "Give the bare result without any further text.",
        ],
    },
];

/// Ways to word the tasks of a split.
pub(in crate::builder) fn wordings(split: Split) -> &'static [Wording] {
    match split {
        Split::Train => &TRAIN,
        Split::Eval => &EVAL,
    }
}
