//! Data sets that are part of this program.

use crate::{Demonstration, LoadError, Task, builder, records};

/// Task sets by name; `make datasets` rebuilds them.
const TASKS: [(&str, &[u8]); 2] = [
    ("quickstart-train", include_bytes!("../bundled/quickstart-train.jsonl.gz")),
    ("quickstart-eval", include_bytes!("../bundled/quickstart-eval.jsonl.gz")),
];

const DEMONSTRATIONS: &str = "quickstart-demonstrations";
/// Demonstrations generated where a URI does not say how many.
const DEFAULT_COUNT: u64 = 60_000;
/// More than this is a slip of the pen: they are held in memory.
const MAX_COUNT: u64 = 5_000_000;

/// Names of the bundled data sets of tasks.
pub fn bundled_names() -> impl Iterator<Item = &'static str> {
    TASKS.iter().map(|(name, _)| *name)
}

/// Tasks of a bundled data set.
pub(crate) fn tasks(uri: &str, name: &str, parameters: &[(String, String)]) -> Result<Vec<Task>, LoadError> {
    let known = || bundled_names().collect();
    let unknown = || LoadError::UnknownBundled { name: name.to_owned(), what: "data set", known: known() };
    let (_, bytes) = TASKS.iter().find(|(bundled, _)| *bundled == name).ok_or_else(unknown)?;
    if let Some((key, _)) = parameters.first() {
        return Err(invalid(uri, format!("{name} takes no parameter `{key}`")));
    }
    let mut tasks = Vec::new();
    records::each_of(uri, bytes, &mut |item| {
        tasks.push(item.parse()?);
        Ok(())
    })?;
    Ok(tasks)
}

/// Demonstrations of a bundled generator.
pub(crate) fn demonstrations(
    uri: &str,
    name: &str,
    parameters: &[(String, String)],
) -> Result<Vec<Demonstration>, LoadError> {
    let (count, seed) = demonstration_parameters(uri, name, parameters)?;
    Ok(builder::demonstrations(count, seed).collect())
}

/// Number and seed of the demonstrations that a URI asks a bundled generator for.
pub(crate) fn demonstration_parameters(
    uri: &str,
    name: &str,
    parameters: &[(String, String)],
) -> Result<(u64, u64), LoadError> {
    if name != DEMONSTRATIONS {
        let (what, known) = ("set of demonstrations", vec![DEMONSTRATIONS]);
        return Err(LoadError::UnknownBundled { name: name.to_owned(), what, known });
    }
    let (mut count, mut seed) = (DEFAULT_COUNT, 0);
    for (key, value) in parameters {
        let slot = match key.as_str() {
            "count" => &mut count,
            "seed" => &mut seed,
            other => return Err(invalid(uri, format!("unknown parameter `{other}`; there are count and seed"))),
        };
        *slot = value.parse().map_err(|_| invalid(uri, format!("{key}={value}: a whole number is needed")))?;
    }
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(invalid(uri, format!("count={count}: must be from 1 to {MAX_COUNT}")));
    }
    Ok((count, seed))
}

fn invalid(uri: &str, message: String) -> LoadError {
    LoadError::InvalidUri { uri: uri.to_owned(), message }
}
