//! The answer in a text that holds prompt and answer.

/// Fewer characters of a prompt than this may stand anywhere by chance.
const SHORTEST: usize = 16;

/// What follows the prompt. Both come from decoded tokens: special tokens may be gone from one of them, a long prompt is cut from
/// the left, letters may be composed in another way. So the longest end of the prompt that stands in the query counts.
pub(super) fn after<'a>(query: &'a str, prompt: &str) -> Option<&'a str> {
    if prompt.is_empty() {
        return Some(query);
    }
    // Starts of ends of the prompt, the shortest that counts last; whatever holds a longer end holds the shorter ones.
    let starts: Vec<usize> = prompt.char_indices().map(|(at, _)| at).collect();
    let last = starts.len().saturating_sub(SHORTEST);
    let (mut from, mut to) = (0, last + 1);
    while from < to {
        let middle = usize::midpoint(from, to);
        if query.contains(&prompt[starts[middle]..]) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    let end = &prompt[*starts.get(from).filter(|_| from <= last)?..];
    query.split_once(end).map(|(_, answer)| answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str = "Write a café's shop in ```python X``` and mind the doors:";

    #[test]
    fn the_answer_is_what_follows_the_prompt() {
        assert_eq!(after(&format!("<s>{PROMPT} done"), PROMPT), Some(" done"));
        assert_eq!(after(" done", ""), Some(" done"));
        // A prompt in the answer again is the answer's.
        assert_eq!(after(&format!("{PROMPT} {PROMPT} done"), PROMPT).unwrap(), format!(" {PROMPT} done"));
    }

    #[test]
    fn the_end_of_a_prompt_is_enough() {
        for cut in [5, 12, 30] {
            let start = PROMPT.char_indices().nth(cut).unwrap().0;
            assert_eq!(after(&format!("{} done", &PROMPT[start..]), PROMPT), Some(" done"));
            assert_eq!(after(&format!("{PROMPT} done"), &format!("<|im_start|>{PROMPT}")), Some(" done"));
        }
        assert_eq!(after(&format!("{} done", PROMPT.replace('é', "e\u{301}")), PROMPT), Some(" done"));
        assert_eq!(after("ors: done", PROMPT), None);
        assert_eq!(after("short: yes", "short:"), Some(" yes"));
        assert_eq!(after("hort: yes", "short:"), None);
    }
}
