//! Texts that would run a script if a page took them for markup.

/// What a script would have to be wrapped in.
const SHELLS: [&str; 25] = [
    "<script>RUN</script>",
    "</script><script>RUN</script>",
    "<img src=x onerror=\"RUN\">",
    "<img src=x onerror=RUN>",
    "\"><img src=x onerror=RUN>",
    "'><img src=x onerror=RUN>",
    "<svg onload=RUN>",
    "<svg><script>RUN</script></svg>",
    "</title><script>RUN</script>",
    "</textarea><script>RUN</script>",
    "</pre><script>RUN</script>",
    "</svg><script>RUN</script>",
    "<iframe srcdoc=\"<script>RUN</script>\"></iframe>",
    "<a href=\"javascript:RUN\">x</a>",
    "\" onmouseover=\"RUN\" x=\"",
    "' autofocus onfocus='RUN' x='",
    "<details open ontoggle=RUN>",
    "<body onload=RUN>",
    "<div hx-get=\"/\" hx-trigger=\"load\" hx-on::load=\"RUN\"></div>",
    "<div hx-vals=\"js:{a:RUN}\" hx-get=\"/\" hx-trigger=\"load\"></div>",
    "<style>@import 'x'</style><link rel=stylesheet onload=RUN href=/assets/style.css>",
    "<!--><script>RUN</script>-->",
    "<math><mtext></mtext><mglyph><svg><mtext><style><img src=x onerror=RUN>",
    "<base href=\"http://127.0.0.1:1/\"><script src=\"x.js\"></script>",
    "&lt;script&gt;RUN&lt;/script&gt;<script>RUN</script>",
];

/// What the script would do: something a page can be asked about.
const RUNS: [&str; 8] = [
    "window.hacked=1",
    "window['hacked']=1",
    "eval('window.hacked=1')",
    "setTimeout('window.hacked=1')",
    "document.title='hacked',window.hacked=1",
    "fetch('/').then(()=>window.hacked=1)",
    "top.hacked=1,window.hacked=1",
    "Function('window.hacked=1')()",
];

/// Two hundred of them.
pub(crate) fn payloads() -> Vec<String> {
    let all = RUNS
        .iter()
        .flat_map(|run| SHELLS.iter().map(move |shell| shell.replace("RUN", run)));
    all.collect()
}
