
/* The player: a skeleton on a canvas beside what each size said of the recording. */
(() => {
  const data = JSON.parse(document.getElementById("motion").textContent);
  if (!data.recordings.length) return;
  const at = (id) => document.getElementById(id);
  const stage = createStage(data.rate, [at("skeleton")], now);
  const { length, pause } = stage;
  let current = null; /* the recording on the stage, and its windows */

  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const best = (said) => said.indexOf(Math.max(...said));

  function list() {
    const model = at("model").value;
    const those = data.recordings.map((recording, index) => ({ recording, index })).filter((one) => model in one.recording.said);
    const wrong = (recording) => best(recording.said[model]) !== recording.truth;
    those.sort((a, b) => wrong(b.recording) - wrong(a.recording) || a.index - b.index);
    const kept = at("recording").value;
    at("recording").replaceChildren(
      ...those.map(({ recording, index }) => {
        const gestures = data.sets[recording.set].gestures;
        const taken = best(recording.said[model]);
        const found = wrong(recording) ? `✗ ${recording.name}: ${plain(gestures[recording.truth])} → ${plain(gestures[taken])}`
          : `✓ ${recording.name}: ${plain(gestures[recording.truth])}`;
        const option = new Option(found, index);
        option.title = found;
        return option;
      }),
    );
    const same = those.some(({ index }) => String(index) === kept);
    at("recording").value = same ? kept : those.length ? those[0].index : "";
    choose();
  }

  function choose() {
    const recording = data.recordings[at("recording").value];
    if (!recording) {
      current = null;
      stage.show(0);
      stage.draw();
      at("about").textContent = "No recording of this size is here.";
      at("bars").replaceChildren();
      for (const part of ["evolution", "which", "now", "still", "why", "whykey", "moments"]) at(part).hidden = true;
      return;
    }
    if (!current || current.recording !== recording) {
      current = { recording };
      stage.show(0, recording.motion, data.sets[recording.set]);
    }
    current.windows = windows(at("model").value);
    describe();
    stage.draw();
  }

  function describe() {
    const model = at("model").value;
    const { recording } = current;
    const said = recording.said[model];
    const gestures = data.sets[recording.set].gestures;
    const taken = best(said);
    const runs = recording.runs[model];
    at("about").textContent =
      `${recording.flags ? recording.flags + ". " : ""}${recording.name}: person ${recording.subject} (${recording.group}), ` +
      `${recording.posture}, executed: ${recording.correctness}. Done: ${plain(gestures[recording.truth])}; recognised: ` +
      `${plain(gestures[taken])}${taken === recording.truth ? "" : " (wrong)"}${runs > 1 ? `, mean of ${runs} runs` : ""}.`;
    at("bars").replaceChildren(
      ...gestures.flatMap((gesture, index) => {
        const name = document.createElement("dt");
        const mark = (index === recording.truth ? " (done)" : "") + (index === taken && taken !== recording.truth ? " (recognised)" : "");
        name.textContent = plain(gesture) + mark;
        const value = document.createElement("dd");
        const bar = document.createElement("span");
        bar.className = index === recording.truth ? "bar truth" : index === taken ? "bar taken" : "bar";
        bar.style.width = `${Math.max(0.4, 72 * said[index])}%`;
        value.append(bar, ` ${percent(said[index])}`);
        if (!current.windows) return [name, value];
        const now = document.createElement("dd");
        now.className = "now";
        now.append(Object.assign(document.createElement("span"), { className: "bar" }), document.createElement("span"));
        return [name, value, now];
      }),
    );
    evolve(gestures, taken);
    explain(recording.why?.[model], data.unexplained[model]);
  }

  /* What carried the answer: rings on the skeleton, bars under the timeline, and both in words. */
  function explain(why, reason) {
    at("whykey").hidden = at("moments").hidden = !why;
    at("why").hidden = false;
    at("why").textContent = why ? `Why: ${plain(why.text)}.`
      : `Not explained: ${reason || "it was left out to keep this page small."}`;
    stage.mark(0, why);
    at("moments").replaceChildren(
      ...(why?.moments ?? []).map((share, moment) => {
        const bar = document.createElement("span");
        bar.style.flexGrow = why.ends[moment] - (why.ends[moment - 1] ?? 0);
        bar.style.height = `${share}%`;
        return bar;
      }),
    );
  }

  /* The probabilities over time: whole per cent of each window, as they are known when the window ends. */
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 52, RIGHT = 472, TOP = 10, BOTTOM = 152;
  const across = (time) => LEFT + ((RIGHT - LEFT) * time) / Math.max(length(), 0.1);
  const up = (share) => BOTTOM - ((BOTTOM - TOP) * share) / 100;

  function shape(kind, attributes, text = "") {
    const one = document.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    one.textContent = text;
    return one;
  }

  function windows(model) {
    const found = current.recording.windows[model];
    if (!found) return null;
    const shares = Uint8Array.from(atob(found.said), (letter) => letter.charCodeAt(0));
    const ends = found.ends.map((end) => Math.min(end, length()));
    const classes = shares.length / ends.length;
    return { starts: found.starts, ends, share: (at, gesture) => shares[at * classes + gesture] };
  }

  function evolve(gestures, taken) {
    const model = at("model").value;
    const { recording, windows: found } = current;
    at("evolution").hidden = at("which").hidden = at("now").hidden = !found;
    at("still").hidden = Boolean(found);
    at("still").textContent = found ? "" : "No probabilities over time: " +
      (data.still[model] || "they were left out to keep this page small.");
    if (!found) return;
    const chart = at("chart");
    chart.replaceChildren();
    const first = across(found.ends[0]);
    chart.append(shape("rect", { class: "before", x: LEFT, y: TOP, width: Math.max(0, first - LEFT), height: BOTTOM - TOP }));
    for (const share of [0, 50, 100]) {
      chart.append(shape("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: up(share), y2: up(share) }));
      chart.append(shape("text", { x: LEFT - 6, y: up(share) + 5, "text-anchor": "end" }, `${share} %`));
    }
    const second = [0.5, 1, 2, 5, 10, 20, 60, 300].find((one) => length() / one <= 8) || 900;
    for (let time = 0; time <= length(); time += second)
      chart.append(shape("text", { x: across(time), y: BOTTOM + 17, "text-anchor": "middle" }, `${time}`));
    chart.append(shape("text", { x: (LEFT + RIGHT) / 2, y: BOTTOM + 34, "text-anchor": "middle" }, "seconds"));
    const line = (gesture, kind) => {
      let path = "";
      found.ends.forEach((end, at) => {
        const next = at + 1 < found.ends.length ? found.ends[at + 1] : length();
        const high = up(found.share(at, gesture));
        path += `${at ? "L" : "M"}${across(end)} ${high}L${Math.max(across(next), across(end) + 2)} ${high}`;
      });
      chart.append(shape("path", { class: kind, d: path }));
    };
    const others = gestures.map((_, gesture) => gesture).filter((one) => one !== recording.truth && one !== taken);
    others.forEach((gesture) => line(gesture, "other"));
    if (taken !== recording.truth) line(taken, "taken");
    line(recording.truth, "truth");
    chart.append(shape("line", { id: "cursor", y1: TOP, y2: BOTTOM }));
    const key = (kind, text) => [Object.assign(document.createElement("span"), { className: kind }), ` ${text} `];
    at("lines").replaceChildren(
      ...key("truth", `done: ${plain(gestures[recording.truth])}`),
      ...(taken === recording.truth ? [] : key("taken", `recognised: ${plain(gestures[taken])}`)),
      ...key("other", "the other gestures"),
    );
    current.window = null; /* so that the bars are drawn */
  }

  /* The last window that has ended at this moment. */
  function now() {
    if (!current?.windows) return;
    const seconds = stage.seconds();
    const { windows: found, recording } = current;
    const cursor = document.getElementById("cursor");
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, across(seconds));
    let last = -1;
    found.ends.forEach((end, at) => { if (end <= seconds + 1e-6) last = at; });
    if (current.window === last) return;
    current.window = last;
    const gestures = data.sets[recording.set].gestures;
    const shares = gestures.map((_, gesture) => (last < 0 ? 0 : found.share(last, gesture)));
    const most = best(shares);
    at("now").textContent = last < 0 ? `Now: the first answer comes at ${found.ends[0].toFixed(1)} s.`
      : `Now, of ${found.starts[last].toFixed(1)} to ${found.ends[last].toFixed(1)} s: ${plain(gestures[most])}, ${shares[most]} %.`;
    document.querySelectorAll("#bars dd.now").forEach((one, gesture) => {
      const [bar, text] = one.children;
      bar.className = gesture === recording.truth ? "bar truth" : last >= 0 && gesture === most ? "bar taken" : "bar";
      bar.style.width = `${Math.max(0.4, 0.72 * shares[gesture])}%`;
      text.textContent = last < 0 ? " –" : ` ${shares[gesture]} %`;
    });
  }

  at("chart").addEventListener("pointerdown", (event) => {
    if (!current) return;
    const box = at("chart").getBoundingClientRect();
    const share = ((event.clientX - box.left) * (480 / box.width) - LEFT) / (RIGHT - LEFT);
    stage.seek(Math.min(1, Math.max(0, share)) * length());
  });
  at("recording").addEventListener("change", () => {
    pause();
    choose();
  });
  at("model").addEventListener("change", () => {
    pause();
    list();
  });

  at("model").replaceChildren(...data.models.map((name, index) => new Option(name, index)));
  list();
})();
