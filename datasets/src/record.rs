//! One object of a data set: named, typed, nested fields, wherever they came from.

use real_terminal::described;
use serde_json::{Map, Value};

use crate::Message;

/// What is wrong with a field of an object.
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

/// One object.
pub(crate) struct Record {
    fields: Map<String, Value>,
}

impl Record {
    pub(crate) fn new(fields: Map<String, Value>) -> Self {
        Self { fields }
    }

    /// Its fields.
    pub(crate) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Its fields, for somebody else.
    pub(crate) fn into_fields(self) -> Map<String, Value> {
        self.fields
    }

    /// The field of this name, or at a dotted path through nested objects; `None` where a part is absent or null.
    pub(crate) fn field(&self, path: &str) -> Option<&Value> {
        let found = self.fields.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            rest.split('.').try_fold(self.fields.get(first)?, |value, part| value.get(part))
        });
        found.filter(|value| !value.is_null())
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

    /// Two text fields of each element of a list of objects.
    pub(crate) fn pairs(&self, path: &str, first: &str, second: &str) -> Result<Vec<(String, String)>, RowError> {
        let member = |element: &Value, name: &str| {
            let place = format!("{path}.{name}");
            match element.get(name) {
                Some(Value::Null) | None => Err(RowError::new(&place, "is null; text is needed")),
                Some(field) => text(field, &place),
            }
        };
        let pair = |element: &Value| match element {
            Value::Object(_) => Ok((member(element, first)?, member(element, second)?)),
            other => Err(RowError::new(path, format!("has {} in it; a group is needed", described(other)))),
        };
        self.elements(path)?.iter().map(pair).collect()
    }

    /// The chat messages of the `prompt` column.
    pub(crate) fn prompt(&self) -> Result<Vec<Message>, RowError> {
        self.messages("prompt")
    }

    /// The chat messages of a column.
    pub(crate) fn messages(&self, path: &str) -> Result<Vec<Message>, RowError> {
        let messages: Vec<Message> =
            self.pairs(path, "role", "content")?.into_iter().map(|(role, content)| Message { role, content }).collect();
        if messages.is_empty() { Err(RowError::new(path, "has no messages")) } else { Ok(messages) }
    }

    /// The split that the row says it belongs to; `train` where it says nothing.
    pub(crate) fn split(&self) -> Result<String, RowError> {
        Ok(self.optional_text("extra_info.split")?.unwrap_or_else(|| "train".to_owned()))
    }

    fn elements(&self, path: &str) -> Result<&[Value], RowError> {
        match self.field(path) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(RowError::new(path, format!("is {}; a list is needed", described(other)))),
        }
    }
}

/// A text or an integer as text.
pub(crate) fn text(field: &Value, path: &str) -> Result<String, RowError> {
    match field {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        other => Err(RowError::new(path, format!("is {}; text is needed", described(other)))),
    }
}
