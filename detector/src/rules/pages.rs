//! The rules as pages for people.

use std::fmt::Write as _;

use super::schema::Rule;

/// Examples that a page shows of each kind; the rule file has all.
const EXAMPLES: usize = 2;

/// Name and text of every page, the index first.
pub fn all(rules: &[Rule]) -> Vec<(String, String)> {
    let mut index = String::from(
        "# Rules\n\nGenerated from `detector/rules/` by `real-detector rules --pages docs/rules`; `real-detector rules ID` shows one.\n\n\
         | rule | CWE | looks for |\n|---|---|---|\n",
    );
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| (rule.cwe, &rule.id));
    for rule in sorted {
        let link = format!("https://cwe.mitre.org/data/definitions/{}.html", rule.cwe);
        let _ = writeln!(index, "| [{0}]({0}.md) | [{1}]({link}) | {2} |", rule.id, rule.cwe, rule.title);
    }
    let mut pages = vec![("README.md".to_owned(), index)];
    pages.extend(rules.iter().map(|rule| (format!("{}.md", rule.id), page(rule))));
    pages
}

/// The page of a rule: what, why, examples, how to mend it, where to read on.
pub fn page(rule: &Rule) -> String {
    let mut text = format!("# {}\n\n`{}` · CWE-{}\n\n{}\n", rule.title, rule.id, rule.cwe, rule.what);
    let _ = write!(text, "## Why\n{}\n", rule.why);
    let _ = write!(text, "## Fix\n{}.\n", upper_first(&rule.message));
    for (title, examples) in [("Found", &rule.bad), ("Left alone", &rule.good)] {
        let _ = write!(text, "\n## {title}\n");
        for example in examples.iter().take(EXAMPLES) {
            let _ = write!(text, "```python\n{}\n```\n", example.trim_end());
        }
    }
    text.push_str("\n## References\n");
    for reference in &rule.references {
        let _ = writeln!(text, "* <{reference}>");
    }
    text
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
