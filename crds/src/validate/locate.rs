//! Where in a YAML file a field was written.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser};

use super::path::FieldPath;

/// Positions of the fields of one document.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions {
    fields: HashMap<FieldPath, Position>,
}

/// Line and column, both from 1.
pub(super) type Mark = (usize, usize);

#[derive(Clone, Copy, Debug)]
struct Position {
    /// Of the key, or of the item of a list.
    key: Mark,
    value: Mark,
}

impl Positions {
    /// Where the value of `path` starts; where it was not written (a default, or behind an alias), the object it belongs to.
    pub(super) fn value(&self, path: &FieldPath) -> Mark {
        match self.fields.get(path) {
            Some(position) => position.value,
            None => self.enclosing(path),
        }
    }

    /// Where the name of `path` is, or the object it belongs to.
    pub(super) fn key(&self, path: &FieldPath) -> Mark {
        match self.fields.get(path) {
            Some(position) => position.key,
            None => self.enclosing(path),
        }
    }

    fn enclosing(&self, path: &FieldPath) -> Mark {
        path.parent().map_or((1, 1), |parent| self.key(&parent))
    }
}

/// A collection that is being read.
enum Frame {
    Mapping { path: FieldPath, key: Option<(String, Mark)> },
    Sequence { path: FieldPath, next: usize },
}

/// Positions of each document of `text` that holds something, in order. `text` must be valid YAML with scalar keys; what
/// comes after an error has no positions.
pub(super) fn positions(text: &str) -> Vec<Positions> {
    let mut documents = Vec::new();
    let mut current = Positions::default();
    let mut stack: Vec<Frame> = Vec::new();
    for next in Parser::new_from_str(text) {
        let Ok((event, span)) = next else { break };
        let mark = mark(&span.start);
        match event {
            Event::DocumentStart(..) => current = Positions::default(),
            // Empty documents are skipped by the reader of values, too.
            Event::DocumentEnd if !current.fields.is_empty() => documents.push(std::mem::take(&mut current)),
            Event::MappingEnd | Event::SequenceEnd => {
                stack.pop();
            }
            Event::Scalar(text, ..) => {
                if let Some(Frame::Mapping { key: key @ None, .. }) = stack.last_mut() {
                    *key = Some((text.into_owned(), mark));
                } else {
                    // A document that is only a null counts as empty.
                    let empty = stack.is_empty() && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                    let _ = place(&mut stack, mark, &mut current, !empty);
                }
            }
            Event::Alias(_) => {
                let _ = place(&mut stack, mark, &mut current, true);
            }
            Event::MappingStart(..) => {
                let path = place(&mut stack, mark, &mut current, true);
                stack.push(Frame::Mapping { path, key: None });
            }
            Event::SequenceStart(..) => {
                let path = place(&mut stack, mark, &mut current, true);
                stack.push(Frame::Sequence { path, next: 0 });
            }
            _ => {}
        }
    }
    documents
}

/// Notes a value that starts at `mark` and returns its path.
fn place(stack: &mut [Frame], mark: Mark, positions: &mut Positions, note: bool) -> FieldPath {
    let (path, key) = match stack.last_mut() {
        None => (FieldPath::default(), mark),
        Some(Frame::Mapping { path, key }) => {
            let (name, key_mark) = key.take().unwrap_or_default();
            (path.key(name), key_mark)
        }
        Some(Frame::Sequence { path, next }) => {
            *next += 1;
            (path.index(*next - 1), mark)
        }
    };
    if note {
        positions.fields.insert(path.clone(), Position { key, value: mark });
    }
    path
}

fn mark(marker: &Marker) -> Mark {
    (marker.line(), marker.col() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, document: usize, path: &str) -> Mark {
        positions(text)[document].value(&FieldPath::parse(path).unwrap())
    }

    #[test]
    fn values_of_mappings_and_lists_have_their_line_and_column() {
        let text = "# c\na: 1\nb:\n  - x: é\n    y: [p, {q: 2}]\n";
        assert_eq!(at(text, 0, "a"), (2, 4));
        assert_eq!(at(text, 0, "b[0].x"), (4, 8));
        assert_eq!(at(text, 0, "b[0].y[1].q"), (5, 16));
    }

    #[test]
    fn a_field_that_was_not_written_is_where_its_object_is() {
        assert_eq!(at("a:\n  b:\n    c: 1\n", 0, "a.b.d.e"), (2, 3));
    }

    #[test]
    fn empty_documents_do_not_count() {
        let text = "---\n# nothing\n---\na: 1\n---\nnull\n---\nb: 2\n";
        assert_eq!(positions(text).len(), 2);
        assert_eq!(at(text, 1, "b"), (8, 4));
    }

    #[test]
    fn what_stands_behind_an_alias_is_where_the_alias_is() {
        assert_eq!(at("a: &x\n  b: 1\nc: *x\n", 0, "c.b"), (3, 1));
    }
}
