//! A row of a Parquet file, with named, typed, nested fields.

use parquet::record::{Field, Row};

use crate::Message;

/// What is wrong with a field of a row.
#[derive(Debug)]
pub(crate) struct RowError {
    pub(crate) column: String,
    pub(crate) message: String,
}

impl RowError {
    pub(crate) fn new(column: &str, message: impl Into<String>) -> Self {
        Self { column: column.to_owned(), message: message.into() }
    }
}

/// One row.
pub(crate) struct Record {
    row: Row,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self { row }
    }
}

impl Record {
    /// The field at a dotted path through nested groups; `None` where a part is absent or null.
    fn field(&self, path: &str) -> Option<&Field> {
        let mut row = &self.row;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            let field = row.get_column_iter().find(|(name, _)| *name == part).map(|(_, field)| field)?;
            match field {
                Field::Null => return None,
                field if parts.peek().is_none() => return Some(field),
                Field::Group(inner) => row = inner,
                _ => return None,
            }
        }
        None
    }

    /// A text or integer field as text.
    pub(crate) fn text(&self, path: &str) -> Result<String, RowError> {
        self.optional_text(path)?.ok_or_else(|| RowError::new(path, "is null; text is needed"))
    }

    /// As [`Record::text`], `None` where the field is absent or null.
    pub(crate) fn optional_text(&self, path: &str) -> Result<Option<String>, RowError> {
        self.field(path).map(|field| text(field, path)).transpose()
    }

    /// A list of texts; empty where absent or null.
    pub(crate) fn texts(&self, path: &str) -> Result<Vec<String>, RowError> {
        self.elements(path)?.iter().map(|field| text(field, path)).collect()
    }

    /// Two text fields of each element of a list of groups.
    pub(crate) fn pairs(&self, path: &str, first: &str, second: &str) -> Result<Vec<(String, String)>, RowError> {
        let member = |row: &Row, name: &str| {
            let place = format!("{path}.{name}");
            match row.get_column_iter().find(|(column, _)| *column == name) {
                Some((_, Field::Null)) | None => Err(RowError::new(&place, "is null; text is needed")),
                Some((_, field)) => text(field, &place),
            }
        };
        let pair = |field: &Field| match field {
            Field::Group(row) => Ok((member(row, first)?, member(row, second)?)),
            other => Err(RowError::new(path, format!("has an element {other}; a group is needed"))),
        };
        self.elements(path)?.iter().map(pair).collect()
    }

    /// The chat messages of the `prompt` column.
    pub(crate) fn prompt(&self) -> Result<Vec<Message>, RowError> {
        let messages: Vec<Message> = self
            .pairs("prompt", "role", "content")?
            .into_iter()
            .map(|(role, content)| Message { role, content })
            .collect();
        if messages.is_empty() { Err(RowError::new("prompt", "has no messages")) } else { Ok(messages) }
    }

    /// The split that the row says it belongs to; `train` where it says nothing.
    pub(crate) fn split(&self) -> Result<String, RowError> {
        Ok(self.optional_text("extra_info.split")?.unwrap_or_else(|| "train".to_owned()))
    }

    fn elements(&self, path: &str) -> Result<&[Field], RowError> {
        match self.field(path) {
            None => Ok(&[]),
            Some(Field::ListInternal(list)) => Ok(list.elements()),
            Some(other) => Err(RowError::new(path, format!("is {other}; a list is needed"))),
        }
    }
}

fn text(field: &Field, path: &str) -> Result<String, RowError> {
    match field {
        Field::Str(text) => Ok(text.clone()),
        Field::Bytes(bytes) => bytes.as_utf8().map(str::to_owned).map_err(|_| RowError::new(path, "is not UTF-8 text")),
        Field::Byte(number) => Ok(number.to_string()),
        Field::Short(number) => Ok(number.to_string()),
        Field::Int(number) => Ok(number.to_string()),
        Field::Long(number) => Ok(number.to_string()),
        Field::UByte(number) => Ok(number.to_string()),
        Field::UShort(number) => Ok(number.to_string()),
        Field::UInt(number) => Ok(number.to_string()),
        Field::ULong(number) => Ok(number.to_string()),
        other => Err(RowError::new(path, format!("is {other}; text is needed"))),
    }
}
