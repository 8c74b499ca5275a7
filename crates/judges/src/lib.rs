//! Reward models and other judges: answers in, `Scores` out.
