//! From logits to tokens.

use tch::{Kind, Tensor};

/// How a distribution is changed before a token is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    /// Logits are divided by it; 0 takes the most probable token.
    pub(super) temperature: f64,
    /// Smallest set of most probable tokens that has this probability; 1 for all.
    pub(super) top_p: f64,
    /// Number of most probable tokens; 0 for all.
    pub(super) top_k: i64,
}

impl Sampler {
    /// Whether tokens are drawn at random.
    pub(super) fn is_random(&self) -> bool {
        self.temperature > 0.0
    }

    /// Tokens [B] and their log-probabilities [B], from `logits` [B, V] and, for each row, a number in [0, 1) (`uniform`
    /// [B, 1], not read where greedy). Log-probabilities are those of the distribution at the temperature (1 where
    /// greedy), before `top_p` and `top_k`.
    pub(super) fn pick(&self, logits: &Tensor, uniform: Option<&Tensor>) -> (Tensor, Tensor) {
        let Some(uniform) = uniform else {
            let log_probs = logits.log_softmax(-1, Kind::Float);
            let (best, tokens) = log_probs.max_dim(-1, false);
            return (tokens, best);
        };
        let unscaled = (self.temperature - 1.0).abs() < f64::EPSILON;
        let scaled = if unscaled { logits.shallow_clone() } else { logits / self.temperature };
        let log_probs = scaled.log_softmax(-1, Kind::Float);
        let cumulative = self.filtered(log_probs.exp()).cumsum(-1, Kind::Float);
        // The inverse of the cumulative distribution: the first token whose cumulative probability exceeds the draw.
        // The last entry is the sum, which rounding and filters keep from being 1.
        let vocabulary = logits.size()[1];
        let draw = uniform * cumulative.narrow(1, vocabulary - 1, 1);
        let tokens = draw.searchsorted(&cumulative, false, true, "right", None::<&Tensor>);
        let tokens = tokens.clamp_max(vocabulary - 1);
        let chosen = log_probs.gather(1, &tokens, false);
        (tokens.squeeze_dim(1), chosen.squeeze_dim(1))
    }

    /// Zeroes the probabilities [B, V] of tokens outside `top_k` and `top_p`. Tokens as probable as the last one in stay.
    fn filtered(&self, mut probs: Tensor) -> Tensor {
        let vocabulary = probs.size()[1];
        if (1..vocabulary).contains(&self.top_k) {
            let (top, _) = probs.topk(self.top_k, -1, true, true);
            let least = top.narrow(1, self.top_k - 1, 1);
            probs = probs.masked_fill(&probs.lt_tensor(&least), 0.0);
        }
        if self.top_p < 1.0 {
            let (sorted, _) = probs.sort(-1, true);
            let sums = sorted.cumsum(-1, Kind::Float);
            let wanted = sums.narrow(1, vocabulary - 1, 1) * self.top_p;
            // A token belongs to the nucleus where those before it do not suffice; the first always does.
            let inside = (&sums - &sorted).lt_tensor(&wanted);
            let least = sorted.masked_fill(&inside.logical_not(), f64::INFINITY).amin([-1i64], true);
            probs = probs.masked_fill(&probs.lt_tensor(&least), 0.0);
        }
        probs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sampler: Sampler, probabilities: &[f32], uniform: f32) -> i64 {
        let logits = Tensor::from_slice(probabilities).log().unsqueeze(0);
        let uniform = Tensor::from_slice(&[uniform]).unsqueeze(1);
        sampler.pick(&logits, Some(&uniform)).0.int64_value(&[0])
    }

    #[test]
    fn a_draw_falls_where_the_cumulative_probability_says() {
        let all = Sampler { temperature: 1.0, top_p: 1.0, top_k: 0 };
        let p = [0.25, 0.0, 0.5, 0.25];
        assert_eq!(drawn(all, &p, 0.0), 0);
        assert_eq!(drawn(all, &p, 0.249), 0);
        assert_eq!(drawn(all, &p, 0.251), 2, "an impossible token is skipped");
        assert_eq!(drawn(all, &p, 0.749), 2);
        assert_eq!(drawn(all, &p, 0.999_999), 3);
    }

    #[test]
    fn top_k_and_top_p_leave_the_most_probable_tokens() {
        let p = [0.1, 0.4, 0.2, 0.3];
        let two = Sampler { temperature: 1.0, top_p: 1.0, top_k: 2 };
        let nucleus = Sampler { temperature: 1.0, top_p: 0.65, top_k: 0 };
        for sampler in [two, nucleus] {
            let tokens: Vec<i64> = (0..100).map(|i| drawn(sampler, &p, i as f32 / 100.0)).collect();
            assert!(tokens.iter().all(|t| [1, 3].contains(t)), "{sampler:?}: {tokens:?}");
            assert!(tokens.contains(&1) && tokens.contains(&3), "{sampler:?}: {tokens:?}");
        }
    }

    #[test]
    fn a_lower_temperature_sharpens_what_is_drawn() {
        let p = [0.4, 0.6];
        let shares: Vec<usize> = [1.0, 0.25]
            .iter()
            .map(|&temperature| {
                let sampler = Sampler { temperature, top_p: 1.0, top_k: 0 };
                (0..1000).filter(|&i| drawn(sampler, &p, i as f32 / 1000.0) == 1).count()
            })
            .collect();
        // .6 and .6⁴ / (.6⁴ + .4⁴) = .835
        assert!(shares[0].abs_diff(600) <= 1 && shares[1].abs_diff(835) <= 1, "{shares:?}");
    }
}
