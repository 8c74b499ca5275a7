//! The other models of a run: teachers that give rationales, judges that rank them, and the money
//! they cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use autodidact_core::{SamplerId, Usd};
use autodidact_judges::Judge;
use autodidact_providers::ChatModel;
use autodidact_store::RunStore;

use crate::StarError;
use crate::ensemble::{JournaledPurse, Judging, Member, Writer};

/// What stands before a teacher's name in the journal.
const TEACHER: &str = "teacher/";

/// Teachers and judges of a run, asked through its journal.
pub struct Faculty {
    pub(crate) teachers: Vec<Member>,
    pub(crate) judging: Judging,
    purse: Arc<JournaledPurse>,
    writer: Writer,
}

impl Faculty {
    /// Opens the run's purse, of which earlier attempts may have spent some.
    pub async fn open(
        store: &Arc<RunStore>,
        teachers: Vec<Arc<dyn ChatModel>>,
        judges: Vec<Arc<dyn Judge>>,
        budget: Option<Usd>,
    ) -> Result<Self, StarError> {
        let writer = Writer::start(store);
        let purse = Arc::new(JournaledPurse::open(store, writer.clone(), budget).await?);
        let member = |model| Member {
            model,
            purse: purse.clone(),
            writer: writer.clone(),
        };
        Ok(Self {
            teachers: teachers.into_iter().map(member).collect(),
            judging: Judging::new(judges, purse.clone(), writer.clone(), store.clone(), true),
            purse,
            writer,
        })
    }

    /// Spent and set aside so far, over all attempts at the run.
    pub fn spent(&self) -> Usd {
        self.purse.committed()
    }

    /// The purse, for whoever watches the spending of a run that owns its faculty.
    pub fn purse(&self) -> Arc<JournaledPurse> {
        self.purse.clone()
    }

    /// Waits until everything is on the disk.
    pub(crate) async fn flush(&self) -> Result<(), StarError> {
        self.writer.flush().await
    }

    /// Whether each teacher's answers may train other models.
    pub(crate) fn terms(&self) -> BTreeMap<String, String> {
        let terms = |t: &Member| (t.name().to_owned(), t.terms().to_owned());
        self.teachers.iter().map(terms).collect()
    }

    /// How many rationales of each teacher are kept for one problem at most.
    pub(crate) fn caps(&self) -> BTreeMap<String, u32> {
        let cap = |teacher: &Member| Some((teacher.name().to_owned(), teacher.model.spec().keep?));
        self.teachers.iter().filter_map(cap).collect()
    }
}

/// The name in the journal of a teacher's rationales.
pub(crate) fn teacher_sampler(name: &str) -> SamplerId {
    SamplerId(format!("{TEACHER}{name}"))
}

/// Who wrote a sample: a teacher's name, or `student`.
pub fn author(sampler: &SamplerId) -> &str {
    sampler.0.strip_prefix(TEACHER).unwrap_or("student")
}

impl std::fmt::Debug for Faculty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faculty")
            .field("teachers", &self.teachers)
            .finish_non_exhaustive()
    }
}
