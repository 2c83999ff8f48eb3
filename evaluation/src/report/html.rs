//! A report as one file that needs no network. Names, reasons and answers are others' text: all of it is escaped, and the page
//! forbids itself scripts, frames and requests.

use std::fmt::Write as _;

use real_terminal::harmless;

use super::{PAPER, Report, about, bounds, percent, plot};
use crate::statistics::Rate;

/// An answer that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Name of the cell.
    pub cell: String,
    /// The task's id.
    pub task: String,
    /// What became of it, in words.
    pub verdict: String,
    /// The answer.
    pub answer: String,
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}th,td{padding:.3rem .7rem;border-bottom:1px solid #d0d7de;text-align:right;vertical-align:top}\
th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere;min-width:9rem;max-width:26rem}\
td[colspan]{text-align:left;color:#57606a;font-style:italic}small{color:#57606a;display:block;white-space:nowrap}\
pre{background:#f6f8fa;padding:.7rem;overflow:auto;max-height:24rem;white-space:pre-wrap;overflow-wrap:anywhere}\
svg{max-width:100%;display:block;margin:.5rem 0}svg text{font:12px system-ui,sans-serif;fill:#1b1f24}svg .t{font-weight:600;font-size:14px}\
svg .n{text-anchor:end}svg .m{text-anchor:middle;fill:#57606a}svg .x{fill:#57606a;font-style:italic}svg .g{stroke:#d0d7de}\
svg .i{stroke:#0072b2;stroke-width:3}svg .d{fill:#d55e00}";

/// Longest answer shown, characters.
const LONGEST: usize = 20_000;

/// The page.
pub fn html(report: &Report, examples: &[Example]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style></head><body><h1>{0}</h1>\n",
        escaped(&report.name)
    );
    page.push_str("<p>Shares of tasks in percent, with 95 % intervals (bootstrap over tasks).</p>\n");
    for suite in &report.suites {
        let _ = writeln!(page, "<h2>{}</h2><p>{}</p>", escaped(&suite.name), escaped(&about(suite)));
        rates(&mut page, report, &suite.name);
        for (title, rate) in PAPER {
            let rows: Vec<(String, Option<Rate>)> =
                report.of_suite(&suite.name).map(|cell| (cell.row(), cell.summary.as_ref().and_then(rate))).collect();
            let _ = writeln!(page, "{}", plot::intervals(title, &rows));
        }
        pass_at(&mut page, report, &suite.name);
        cwes(&mut page, report, &suite.name);
    }
    let failed: Vec<_> = report.cells.iter().filter_map(|cell| Some((cell, cell.reason.as_ref()?))).collect();
    if !failed.is_empty() {
        page.push_str("<h2>No result</h2><ul>\n");
        for (cell, reason) in failed {
            let _ = writeln!(page, "<li>{}: {}</li>", escaped(&cell.name), escaped(reason));
        }
        page.push_str("</ul>\n");
    }
    if !examples.is_empty() {
        page.push_str("<h2>Answers</h2>\n");
    }
    for Example { cell, task, verdict, answer } in examples {
        let shown: String = answer.chars().take(LONGEST).collect();
        let more = if answer.chars().nth(LONGEST).is_some() { "\n… (cut)" } else { "" };
        let _ = writeln!(
            page,
            "<details><summary>{}, task {}: {}</summary><pre>{}{more}</pre></details>",
            escaped(cell),
            escaped(task),
            escaped(verdict),
            escaped(&shown)
        );
    }
    page.push_str("</body></html>\n");
    page
}

fn rates(page: &mut String, report: &Report, suite: &str) {
    let columns = report.columns(suite);
    page.push_str("<table><tr><th>% of tasks</th><th>n</th>");
    for (name, _) in &columns {
        let _ = write!(page, "<th>{name}</th>");
    }
    page.push_str("<th>no code</th><th>does not run</th><th>dropped</th></tr>\n");
    for cell in report.of_suite(suite) {
        let _ = write!(page, "<tr><td>{}</td>", escaped(&cell.row()));
        let Some(summary) = &cell.summary else {
            let _ = writeln!(page, "<td colspan=\"{}\">no result</td></tr>", columns.len() + 4);
            continue;
        };
        let _ = write!(page, "<td>{}</td>", summary.tasks);
        for (_, rate) in &columns {
            let _ = write!(page, "<td>{}<small>{}</small></td>", percent(rate(summary)), bounds(rate(summary)));
        }
        let _ = writeln!(
            page,
            "<td>{}</td><td>{}</td><td>{}</td></tr>",
            summary.no_code, summary.not_runnable, summary.dropped
        );
    }
    page.push_str("</table>\n");
}

fn pass_at(page: &mut String, report: &Report, suite: &str) {
    let all = report.of_suite(suite).filter_map(|cell| Some((cell, cell.summary.as_ref()?)));
    let rows: Vec<_> = all.flat_map(|(cell, summary)| summary.pass_at.iter().map(move |at| (cell, at))).collect();
    if rows.is_empty() {
        return;
    }
    page.push_str("<table><tr><th>pass@k, %</th><th>k</th><th>Function</th><th>Func.-Qual.</th></tr>\n");
    for (cell, at) in rows {
        let _ = write!(page, "<tr><td>{}</td><td>{}</td>", escaped(&cell.row()), at.k);
        for rate in [at.function, at.joint].map(Some) {
            let _ = write!(page, "<td>{}<small>{}</small></td>", percent(rate), bounds(rate));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

fn cwes(page: &mut String, report: &Report, suite: &str) {
    let all = report.of_suite(suite).filter_map(|cell| Some((cell, cell.summary.as_ref()?)));
    let rows: Vec<_> = all.flat_map(|(cell, summary)| summary.cwes.iter().map(move |cwe| (cell, cwe))).collect();
    if rows.is_empty() {
        return;
    }
    page.push_str(
        "<details><summary>By CWE</summary><table><tr><th>% of tasks</th><th>CWE</th><th>tasks about it</th><th>Function</th>\
         <th>Quality</th><th>Func.-Qual.</th><th>answers with a finding</th></tr>\n",
    );
    for (cell, cwe) in rows {
        let share = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{:.1}", 100.0 * share));
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&cell.row()),
            cwe.cwe,
            cwe.tasks,
            share(cwe.function),
            share(cwe.quality),
            share(cwe.joint),
            cwe.found
        );
    }
    page.push_str("</table></details>\n");
}

/// Text as HTML shows it, in an element or in a quoted attribute. Control characters and those that turn the direction of
/// writing become escapes; ends of lines and tabs stay.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            safe.push('\n');
        }
        for (index, part) in line.strip_suffix('\r').unwrap_or(line).split('\t').enumerate() {
            if index > 0 {
                safe.push('\t');
            }
            for c in harmless(part).chars() {
                match c {
                    '&' => safe.push_str("&amp;"),
                    '<' => safe.push_str("&lt;"),
                    '>' => safe.push_str("&gt;"),
                    '"' => safe.push_str("&quot;"),
                    '\'' => safe.push_str("&#39;"),
                    _ => safe.push(c),
                }
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    const HOSTILE: &str =
        "</pre></details><script>alert(1)</script><img src=x onerror='a'>\u{202e}\u{1b}[31m\" onload=\"b";

    #[test]
    fn what_a_model_writes_is_text_on_the_page_wherever_it_stands() {
        let mut report = report();
        report.name = HOSTILE.into();
        report.suites[0].name = HOSTILE.into();
        report.cells[0].suite = HOSTILE.into();
        report.cells[0].target = HOSTILE.into();
        report.cells[0].name = format!("{HOSTILE}/{HOSTILE}");
        report.cells[3].reason = Some(HOSTILE.into());
        let example =
            Example { cell: HOSTILE.into(), task: HOSTILE.into(), verdict: HOSTILE.into(), answer: HOSTILE.into() };
        let page = html(&report, &[example]);
        let benign = html(&super::super::tests::report(), &[]);
        for tag in ["<script", "<img", "\u{202e}", "\u{1b}", "onload=\"b", "</pre></details><"] {
            assert!(!page.contains(tag), "{tag}");
        }
        // Nothing that was not ours opens an element.
        let tags = |page: &str| {
            page.split('<')
                .skip(1)
                .filter_map(|rest| rest.split([' ', '>', '/']).find(|name| !name.is_empty()))
                .map(str::to_owned)
                .collect::<std::collections::BTreeSet<_>>()
        };
        let mut known = tags(&benign);
        known.extend(["details", "summary", "pre"].map(str::to_owned));
        assert!(tags(&page).is_subset(&known), "{:?}", tags(&page).difference(&known).collect::<Vec<_>>());
    }

    #[test]
    fn the_page_asks_the_network_for_nothing_and_draws_each_rate() {
        let page = html(&report(), &[]);
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="), "{page}");
        assert!(
            page.contains("default-src 'none'")
                && page.matches("<circle").count() == 3 * 3
                && page.matches(">no result</text>").count() == 3
        );
    }

    #[test]
    fn code_keeps_its_lines_and_indentation() {
        assert_eq!(escaped("if a < b:\r\n\treturn 'x'\n"), "if a &lt; b:\n\treturn &#39;x&#39;\n");
    }
}
