//! Tasks by label.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use real_datasets::Task;

/// Tasks that answers are scored against, found by id or by `dataset/id`.
#[derive(Debug, Default)]
pub struct Tasks {
    tasks: Vec<Task>,
    /// Place in `tasks`; nothing where several tasks share the label.
    places: HashMap<String, Option<usize>>,
}

/// A label that does not name one task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// There is none.
    #[error("no task has the id '{0}'")]
    Unknown(String),
    /// There are several.
    #[error("several tasks have the id '{0}'; write dataset/id")]
    Ambiguous(String),
}

impl Tasks {
    /// Indexes tasks of any number of data sets.
    pub fn new(tasks: Vec<Task>) -> Self {
        let mut places = HashMap::new();
        for (place, task) in tasks.iter().enumerate() {
            for label in [task.id.clone(), format!("{}/{}", task.dataset, task.id)] {
                match places.entry(label) {
                    Entry::Vacant(entry) => {
                        entry.insert(Some(place));
                    }
                    Entry::Occupied(mut entry) => {
                        entry.insert(None);
                    }
                }
            }
        }
        Self { tasks, places }
    }

    /// The task of a label.
    ///
    /// # Errors
    /// A label that names none or several.
    pub fn find(&self, label: &str) -> Result<&Task, LabelError> {
        match self.places.get(label) {
            Some(Some(place)) => Ok(&self.tasks[*place]),
            Some(None) => Err(LabelError::Ambiguous(label.to_owned())),
            None => Err(LabelError::Unknown(label.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_shared_by_data_sets_need_the_data_sets_name() {
        let task = |dataset: &str, id: &str| {
            let task = serde_json::json!({
                "id": id, "dataset": dataset, "split": "train", "prompt": [], "tests": [], "quality": [],
            });
            serde_json::from_value::<Task>(task).unwrap()
        };
        let tasks = Tasks::new(vec![task("a", "1"), task("b", "1"), task("b", "2")]);
        assert_eq!(tasks.find("b/1").unwrap().dataset, "b");
        assert_eq!(tasks.find("2").unwrap().dataset, "b");
        assert_eq!(tasks.find("1").unwrap_err(), LabelError::Ambiguous("1".into()));
        assert_eq!(tasks.find("3").unwrap_err(), LabelError::Unknown("3".into()));
    }
}
