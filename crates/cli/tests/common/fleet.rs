//! The command against the mock fleet: a directory, a server, and what was asked of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use autodidact_core::{Mode, ProblemId, SamplerId};
use autodidact_store::RunStore;
use autodidact_testkit::{Act, Fleet, Ledger, Received, Server};
use serde_json::Value;

use super::autodidact;

/// Variables that hold keys or change where requests go.
const VARIABLES: [&str; 13] = [
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "NVIDIA_API_KEY",
    "OPENAI_API_KEY",
    "TOGETHER_API_KEY",
    "OPENROUTER_API_KEY",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "AUTODIDACT_PRICES",
];

/// What a command did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Standard output as JSON; the exit code must be as expected.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    #[track_caller]
    pub(crate) fn text(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        &self.out
    }
}

/// A directory with a server beside it.
pub(crate) struct Rig {
    pub(crate) fleet: Fleet,
    pub(crate) server: Server,
    pub(crate) directory: tempfile::TempDir,
    keys: Vec<(String, String)>,
}

impl Rig {
    pub(crate) fn new(fleet: Fleet) -> Self {
        let acting = fleet.clone();
        Self::scripted(fleet, move |request| acting.act(request))
    }

    /// A rig whose server does as the closure says.
    pub(crate) fn scripted(
        fleet: Fleet,
        act: impl Fn(&Received) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self {
            fleet,
            server: Server::start_in_thread(act).unwrap(),
            directory: tempfile::tempdir().unwrap(),
            keys: Vec::new(),
        }
    }

    /// Puts a variable into the environment of every command.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.keys.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file; `URL` becomes the server's address.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text.replace("URL", &self.server.url())).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = autodidact(self.directory.path());
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.args(arguments);
        command.envs(self.keys.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Starts a command and lets it run; what it prints goes to files.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let file = |name: &str| Stdio::from(fs::File::create(self.path(name)).unwrap());
        let mut command = self.command(arguments);
        command.stdout(file("stdout")).stderr(file("stderr"));
        command.spawn().unwrap()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.fleet.ledger()
    }

    /// Waits until the condition holds, or fails after a minute.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < Duration::from_mins(1), "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// JSON lines of a file.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Sums of two numbers with gold, as JSON lines; all different.
pub(crate) fn sums(count: u32) -> String {
    let line = |i: u32| {
        let (a, b) = (17 + i, 23 + 7 * i % 61);
        format!(
            "{{\"id\":\"p{i}\",\"question\":\"What is {a} + {b}?\",\"answer\":\"{}\"}}\n",
            a + b
        )
    };
    (0..count).map(line).collect()
}

/// The overall score by the weights published with Nemotron-4-340B-Reward.
pub(crate) fn overall(scores: &Value) -> f64 {
    let weights = [
        ("helpfulness", 0.3),
        ("correctness", 0.74),
        ("coherence", 0.46),
        ("complexity", 0.47),
        ("verbosity", -0.33),
    ];
    let of = |(name, weight): (&str, f64)| weight * scores[name].as_f64().unwrap();
    weights.into_iter().map(of).sum()
}

/// Two models with seeds, so that the same question gets the same answer, and a judge.
pub(crate) const PAIR: &str = r#"
[[models]]
name = "small"
provider = "openai-compatible"
model = "mock-small"
base_url = "URL/v1"
terms = "allowed"
price = { input = 100, output = 400 }
limits = { concurrency = 4 }
[[models]]
name = "large"
provider = "openai-compatible"
model = "mock-large"
base_url = "URL/v1"
terms = "restricted"
price = { input = 200, output = 800 }
limits = { concurrency = 4 }
[[judges]]
name = "nemotron"
provider = "nvidia"
model = "nvidia/nemotron-4-340b-reward"
base_url = "URL/v1"
price = { input = 0, output = 0 }
limits = { concurrency = 4 }
"#;

/// `small` is right half of the time, `large` nearly always.
pub(crate) fn pair_fleet() -> Fleet {
    Fleet::new()
        .with_accuracy("small", 0.5)
        .with_accuracy("large", 0.9)
}

/// A rig with the pair in `e.toml` and so many problems in `data.jsonl`.
pub(crate) fn pair(fleet: Fleet, problems: u32) -> Rig {
    let rig = Rig::new(fleet);
    rig.write("e.toml", PAIR);
    rig.write("data.jsonl", &sums(problems));
    rig
}

/// `sample` over `data.jsonl`, comparing numbers.
pub(crate) const SAMPLE: [&str; 6] = [
    "sample",
    "data.jsonl",
    "--config",
    "e.toml",
    "--verify",
    "number",
];

/// Answers of the pair, and opinions about them, that are in the journal of `sample data.jsonl`.
pub(crate) fn journaled(rig: &Rig) -> u64 {
    let directory = rig.path("runs/sample-data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if !directory.exists() {
            return 0;
        }
        let store = RunStore::open_reader(&directory).await.unwrap();
        let mut count = 0;
        for model in ["small", "large"] {
            let sampler = SamplerId(model.into());
            let samples = store.samples(0, &sampler, Mode::Rationale).await.unwrap();
            let ids: Vec<&ProblemId> = samples.iter().map(|s| &s.key.problem).collect();
            let scores = store.scores(0, &sampler, Mode::Rationale, &ids);
            count += samples.len() + scores.await.unwrap().len();
        }
        store.close().await;
        count as u64
    })
}
