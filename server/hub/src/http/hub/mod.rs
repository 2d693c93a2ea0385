//! Contents as hub clients fetch them: `resolve` and `raw`.

pub(super) mod answer;
pub(super) mod raw;
pub(super) mod resolve;
