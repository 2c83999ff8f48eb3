//! Tasks by label.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use real_datasets::Task;

/// Characters of a prompt's end that tell tasks apart.
const PROMPT_END: usize = 400;

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
    /// No label, and a query that holds no task's prompt, or those of several.
    #[error("there is no label, and the prompts of {0} tasks end like a part of the query; send labels")]
    Prompt(usize),
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

    /// The task whose prompt's end stands in a query: what comes before may have been cut off.
    ///
    /// # Errors
    /// A query with the end of none, or of several that are equally long.
    pub fn by_prompt(&self, query: &str) -> Result<&Task, LabelError> {
        let end = |task: &'_ Task| -> Option<String> {
            let content = task.prompt.last()?.content.trim();
            let start = content.char_indices().rev().nth(PROMPT_END - 1).map_or(0, |(at, _)| at);
            Some(content[start..].to_owned()).filter(|end| !end.is_empty())
        };
        let found = |task: &&Task| end(task).is_some_and(|end| query.contains(&end));
        let found: Vec<&Task> = self.tasks.iter().filter(found).collect();
        // Short prompts may be the end of longer ones.
        let whole = |task: &&&Task| task.prompt.last().is_some_and(|last| query.contains(last.content.trim()));
        let longest =
            found.iter().filter(whole).map(|task| task.prompt.last().map_or(0, |last| last.content.len())).max();
        match (&found[..], longest) {
            ([task], _) => Ok(task),
            (several, Some(longest)) => {
                let of_length = |task: &&&Task| task.prompt.last().is_some_and(|last| last.content.len() == longest);
                match several.iter().filter(whole).filter(of_length).collect::<Vec<_>>()[..] {
                    [task] => Ok(task),
                    _ => Err(LabelError::Prompt(several.len())),
                }
            }
            (none_or_several, None) => Err(LabelError::Prompt(none_or_several.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_a_label_belongs_to_the_task_whose_prompt_it_holds() {
        let task = |id: &str, prompt: &str| {
            let task = serde_json::json!({
                "id": id, "dataset": "d", "split": "train", "tests": [], "quality": [],
                "prompt": [{"role": "system", "content": "be brief"}, {"role": "user", "content": prompt}],
            });
            serde_json::from_value::<Task>(task).unwrap()
        };
        let long = format!("{} and then sort", "read rows ".repeat(100));
        let tasks = [task("1", "sort"), task("2", &long), task("3", "add"), task("4", "add"), task("5", "rest")];
        let tasks = Tasks::new(tasks.to_vec());
        let found = |query: &str| tasks.by_prompt(query).map(|task| task.id.as_str());
        assert_eq!(found("user: rest\nassistant: done"), Ok("5"));
        // The longer prompt ends with the shorter one; cut from the left it is one of two.
        assert_eq!(found(&format!("{long} done")), Ok("2"));
        assert_eq!(found(&format!("{} done", &long[500..])), Ok("1"));
        assert_eq!(found("add"), Err(LabelError::Prompt(2)));
        assert_eq!(found("nothing"), Err(LabelError::Prompt(0)));
    }

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
