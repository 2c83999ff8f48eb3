//! "Did you mean …?"

/// Most edits between a word and the one that was perhaps meant, relative to its length.
const TOLERANCE: f64 = 0.4;

/// The candidate nearest to `word`, if any is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| {
            let length = word.chars().count().max(candidate.chars().count());
            (*edits as f64) <= (TOLERANCE * length as f64).max(1.0)
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// A hint for a word that is not among `candidates`: the nearest of them, or all.
pub(super) fn hint<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(candidate) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean {candidate}?"));
    }
    let all: Vec<&str> = candidates.collect();
    (!all.is_empty()).then(|| format!("known fields: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let fields = ["alpha", "penalty", "normalization"];
        assert_eq!(nearest("alpah", fields), Some("alpha"));
        assert_eq!(nearest("normalisation", fields), Some("normalization"));
        assert_eq!(nearest("Alpha", fields), Some("alpha"));
        assert_eq!(nearest("temperature", fields), None);
    }
}
