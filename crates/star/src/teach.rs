//! Rationales of teachers, and opinions of judges, in the loop (the union of several models' right
//! rationales is RFT's, Yuan et al. 2023).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use autodidact_core::INSTRUCTION;
use autodidact_core::{Message, Mode, Problem, ProblemId, Prompt, RunSpec, Sample, TeachOn};
use futures::stream::{self, StreamExt};

use crate::StarError;
use crate::ensemble::{Asking, Candidate, Counted, Member, ModelSummary, Tally, Trouble, recorded};
use crate::faculty::{author, teacher_sampler};
use crate::progress::Event;
use crate::prompt::Prompter;
use crate::run::Run;
use crate::select::Judged;

/// Problems judged at once.
const CASES: usize = 16;

impl Run {
    /// The teachers' part of line 3: what the journal lacks is asked, and everything is verified.
    /// Asked once for all loops unless `teach.every_loop` says otherwise.
    pub(crate) async fn ask_teachers(
        &self,
        n: u32,
        when: TeachOn,
        solved: &HashSet<String>,
    ) -> Result<Vec<Judged>, StarError> {
        let mut all = Vec::new();
        if self.spec.teach.problems != when {
            return Ok(all);
        }
        let mut problems = self.problems_of(n);
        if when == TeachOn::Failed {
            problems.retain(|problem| !solved.contains(&problem.id.0));
        }
        for teacher in &self.faculty.teachers {
            let asked = Box::pin(self.ask_teacher(n, teacher, &problems));
            all.extend(self.timed(n, "sample", asked).await?);
        }
        Ok(all)
    }

    async fn ask_teacher(
        &self,
        n: u32,
        teacher: &Member,
        problems: &[&Problem],
    ) -> Result<Vec<Judged>, StarError> {
        let samples = teacher.model.spec().samples;
        let title = format!("asking {}", teacher.name());
        let iteration = if self.spec.teach.every_loop { n } else { 0 };
        self.observer.on(&Event::StageStarted {
            iteration: n,
            title: &title,
            done: 0,
            total: problems.len() as u64 * u64::from(samples),
        });
        if teacher.model.spec().batch {
            let asking = |problem: &&Problem| self.asking(iteration, teacher, problem);
            let askings: Vec<Asking> = problems.iter().map(asking).collect();
            let asked = teacher
                .ask_in_batches(&self.store, &askings, &self.stop)
                .await;
            asked.map_err(|trouble| match trouble {
                Trouble::Star(error) => error,
                Trouble::Provider(error) => error.into(),
            })?;
        }
        let window = teacher.model.spec().limits.concurrency.max(1) as usize * 2;
        let halted = AtomicBool::new(false);
        let goes_on = || {
            let stopped = self.stop.load(Ordering::Relaxed);
            !stopped && !halted.load(Ordering::Relaxed)
        };
        let asked = stream::iter(problems)
            .take_while(|_| std::future::ready(goes_on()))
            .map(|problem| self.ask_about(iteration, teacher, problem))
            .buffer_unordered(window);
        let mut asked = std::pin::pin!(asked);
        let mut trouble = None;
        while let Some(outcome) = asked.next().await {
            match outcome? {
                None => {}
                Some(Trouble::Provider(error)) => {
                    // After an error that every later request would repeat nothing new is asked;
                    // what is under way is still received and written down.
                    halted.fetch_or(error.class.is_fatal(), Ordering::Relaxed);
                    trouble = Some(error);
                }
                Some(Trouble::Star(error)) => return Err(error),
            }
        }
        self.check_interrupted()?;
        if let Some(error) = trouble {
            return Err(error.into());
        }
        self.observer.on(&Event::StageFinished);
        self.taught(iteration, teacher, problems).await
    }

    /// Asks one teacher about one problem and verifies what arrives.
    async fn ask_about(
        &self,
        iteration: u32,
        teacher: &Member,
        problem: &Problem,
    ) -> Result<Option<Trouble>, StarError> {
        self.gate.passed().await;
        let asking = self.asking(iteration, teacher, problem);
        let known = recorded(&self.store, &asking).await?;
        let (new, trouble) = teacher.ask(&asking, &known.indices).await;
        let all = known.answers.into_iter().chain(new);
        let samples: Vec<Sample> = all.map(|(sample, _)| sample).collect();
        self.judge_and_record(&samples).await?;
        Ok(trouble)
    }

    fn asking(&self, iteration: u32, teacher: &Member, problem: &Problem) -> Asking {
        Asking {
            iteration,
            problem: problem.id.clone(),
            sampler: teacher_sampler(teacher.name()),
            mode: Mode::Rationale,
            prompt: teacher_prompt(&self.spec, &self.prompter, problem),
            samples: teacher.model.spec().samples,
            temperature: self.spec.sample.temperature,
            max_tokens: self.spec.sample.max_tokens,
            stop: Vec::new(),
            seed: self.spec.run.seed,
        }
    }

    /// Everything a teacher wrote about some problems, with verdicts.
    async fn taught(
        &self,
        iteration: u32,
        teacher: &Member,
        problems: &[&Problem],
    ) -> Result<Vec<Judged>, StarError> {
        let sampler = teacher_sampler(teacher.name());
        let wanted: HashSet<&ProblemId> = problems.iter().map(|problem| &problem.id).collect();
        let samples = self
            .store
            .samples(iteration, &sampler, Mode::Rationale)
            .await?;
        let verified = self
            .store
            .verifications(iteration, &sampler, Mode::Rationale)
            .await?;
        let mut verified: HashMap<_, _> =
            verified.into_iter().map(|v| (v.key.clone(), v)).collect();
        let wanted = samples
            .into_iter()
            .filter(|s| wanted.contains(&s.key.problem));
        let judged = wanted.filter_map(|sample| {
            let verified = verified.remove(&sample.key)?;
            Some(self.flagged(sample, verified))
        });
        Ok(judged.collect())
    }

    /// Asks the judges about right rationales, and about some wrong ones to know what the scores are
    /// worth.
    pub(crate) async fn score(&self, n: u32, judged: &mut [Judged]) -> Result<(), StarError> {
        if self.faculty.judging.is_empty() {
            return Ok(());
        }
        let mut cases: HashMap<ProblemId, Vec<usize>> = HashMap::new();
        let mut wrong_left = self.spec.teach.calibrate;
        for (position, one) in judged.iter().enumerate() {
            let is_right = one.is_right();
            if is_right || wrong_left > 0 {
                wrong_left -= u32::from(!is_right);
                let problem = one.sample.key.problem.clone();
                cases.entry(problem).or_default().push(position);
            }
        }
        let mut cases: Vec<(ProblemId, Vec<usize>)> = cases.into_iter().collect();
        cases.sort();
        self.observer.on(&Event::StageStarted {
            iteration: n,
            title: "asking the judges",
            done: 0,
            total: cases.len() as u64,
        });
        let scored = self.score_cases(judged, &cases).await?;
        for (position, candidate) in scored {
            judged[position].candidate = Some(candidate);
        }
        self.observer.on(&Event::StageFinished);
        Ok(())
    }

    async fn score_cases(
        &self,
        judged: &[Judged],
        cases: &[(ProblemId, Vec<usize>)],
    ) -> Result<Vec<(usize, Candidate)>, StarError> {
        let ask = |(problem, positions): &(ProblemId, Vec<usize>)| {
            let positions = positions.clone();
            let question = self.problem(problem).map(crate::ensemble::question_text);
            let mut candidates: Vec<Candidate> = positions
                .iter()
                .map(|p| judged[*p].as_candidate())
                .collect();
            async move {
                self.gate.passed().await;
                let question = question.unwrap_or_default();
                let failures = self
                    .faculty
                    .judging
                    .judge(&question, &mut candidates)
                    .await?;
                self.observer.on(&Event::Judged);
                Ok::<_, StarError>((positions, candidates, failures))
            }
        };
        let asked = stream::iter(cases)
            .take_while(|_| std::future::ready(!self.stop.load(Ordering::Relaxed)))
            .map(ask)
            .buffer_unordered(CASES);
        let mut asked = std::pin::pin!(asked);
        let (mut scored, mut failed) = (Vec::new(), None);
        while let Some(outcome) = asked.next().await {
            let (positions, candidates, failures) = outcome?;
            let unscored = candidates.iter().any(|c| c.scores.is_none());
            if unscored && let Some(failure) = failures.into_iter().next() {
                failed = Some(failure);
            }
            scored.extend(positions.into_iter().zip(candidates));
        }
        self.check_interrupted()?;
        match failed {
            // A fallback judge may have stepped in; without one the run parks, because going on
            // with fewer scores would end differently from an undisturbed run.
            Some(failure) => Err(StarError::Judge {
                judge: failure.name,
                error: failure.error,
            }),
            None => Ok(scored),
        }
    }

    /// Each model's part in a loop.
    pub(crate) async fn contributions(
        &self,
        judged: &[Judged],
        kept: &HashSet<autodidact_core::SampleKey>,
    ) -> Result<Vec<ModelSummary>, StarError> {
        let mut by_problem: HashMap<&ProblemId, Vec<Counted<'_>>> = HashMap::new();
        for one in judged
            .iter()
            .filter(|j| j.sample.key.mode == Mode::Rationale)
        {
            let model = author(&one.sample.key.sampler);
            let terms = self.faculty.teachers.iter().find(|t| t.name() == model);
            let counted = Counted {
                model,
                right: Some(one.is_right()),
                kept: kept.contains(&one.sample.key),
                terms: terms.map_or("allowed", Member::terms),
            };
            by_problem
                .entry(&one.sample.key.problem)
                .or_default()
                .push(counted);
        }
        let mut tally = Tally::default();
        for counted in by_problem.into_values() {
            tally.problem(counted);
        }
        for (sampler, outcome, count) in self.store.unanswered_counts().await? {
            tally.unanswered(author(&sampler), &outcome, count);
        }
        Ok(tally.finish(&self.store.spending().await?))
    }
}

/// What a teacher is asked: an instruction, the few-shot examples as turns, and the question.
pub fn teacher_prompt(spec: &RunSpec, prompter: &Prompter, problem: &Problem) -> Prompt {
    let instruction = spec.teach.instruction.as_deref();
    let mut messages = vec![Message {
        role: "system".into(),
        content: instruction.unwrap_or(INSTRUCTION).to_owned(),
    }];
    match prompter.conversation(problem) {
        Prompt::Chat(turns) => messages.extend(turns),
        Prompt::Text(text) => messages.push(Message::user(text)),
    }
    Prompt::Chat(messages)
}

impl Judged {
    /// The same as a candidate for judges.
    fn as_candidate(&self) -> Candidate {
        Candidate {
            key: self.sample.key.clone(),
            model: author(&self.sample.key.sampler).to_owned(),
            text: self.sample.completion.text.clone(),
            finish: self.sample.completion.finish,
            tokens: self.sample.completion.tokens,
            answer: self.verified.verification.extracted.clone(),
            right: Some(self.is_right()),
            provenance: autodidact_store::Provenance::default(),
            scores: None,
            opinions: std::collections::BTreeMap::new(),
        }
    }
}
