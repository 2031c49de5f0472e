
/* The player: a skeleton on a canvas beside what each size said of the recording. */
(() => {
  const data = JSON.parse(document.getElementById("motion").textContent);
  if (!data.recordings.length) return;
  const at = (id) => document.getElementById(id);
  const canvas = at("skeleton");
  const pen = canvas.getContext("2d");
  let current = null; /* the recording on the stage, decoded */
  let seconds = 0;
  let playing = false;
  let last = 0;

  const decode = (code) => {
    const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 2 }, (_, index) => view.getInt16(2 * index, true));
  };
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const plain = (name) => name.replaceAll("_", " ");
  const best = (said) => said.indexOf(Math.max(...said));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

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
      pen.clearRect(0, 0, canvas.width, canvas.height);
      at("about").textContent = "No recording of this size is here.";
      at("bars").replaceChildren();
      return;
    }
    if (!current || current.recording !== recording) {
      const { joints, parents } = data.sets[recording.set];
      const positions = decode(recording.motion);
      const frames = positions.length / (3 * joints.length);
      current = { recording, joints, parents, positions, frames, ...bounds(positions) };
      seconds = 0;
      at("scrub").max = length();
    }
    describe();
    draw();
  }

  /* Middle of the motion in millimetres, and what fits it on the canvas however it is turned. */
  function bounds(positions) {
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (let index = 0; index < positions.length; index++) {
      const axis = index % 3;
      low[axis] = Math.min(low[axis], positions[index]);
      high[axis] = Math.max(high[axis], positions[index]);
    }
    const middle = low.map((value, axis) => (value + high[axis]) / 2);
    const wide = Math.hypot(high[0] - low[0], high[2] - low[2]);
    const scale = 0.88 * Math.min(canvas.height / Math.max(1, high[1] - low[1]), canvas.width / Math.max(1, wide));
    return { middle, scale };
  }

  const length = () => Math.max(0, (current.frames - 1) / data.rate);

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
        return [name, value];
      }),
    );
  }

  function draw() {
    if (!current) return;
    const { joints, parents, positions, frames, middle, scale } = current;
    const exact = Math.min(frames - 1, seconds * data.rate);
    const before = Math.floor(exact);
    const after = Math.min(before + 1, frames - 1);
    const turn = (at("turn").value * Math.PI) / 180;
    const point = (joint) => {
      const value = (axis) => {
        const one = positions[(before * joints.length + joint) * 3 + axis];
        const two = positions[(after * joints.length + joint) * 3 + axis];
        return one + (two - one) * (exact - before) - middle[axis];
      };
      const across = value(0) * Math.cos(turn) + value(2) * Math.sin(turn);
      return [canvas.width / 2 + scale * across, canvas.height / 2 - scale * value(1)];
    };
    const side = (joint) => colour(/left/i.test(joints[joint]) ? "--left" : /right/i.test(joints[joint]) ? "--right" : "--ink");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.lineCap = "round";
    pen.lineWidth = 7;
    const places = joints.map((_, joint) => point(joint));
    for (let joint = 0; joint < joints.length; joint++) {
      pen.strokeStyle = side(joint);
      pen.beginPath();
      pen.moveTo(...places[parents[joint]]);
      pen.lineTo(...places[joint]);
      pen.stroke();
    }
    for (let joint = 0; joint < joints.length; joint++) {
      pen.fillStyle = side(joint);
      pen.beginPath();
      pen.arc(...places[joint], joints[joint] === "Head" ? 20 : 7, 0, 2 * Math.PI);
      pen.fill();
    }
    at("time").textContent = `${seconds.toFixed(1)} of ${length().toFixed(1)} s`;
    at("scrub").value = seconds;
  }

  function step(now) {
    if (!playing || !current) return;
    seconds += ((now - last) / 1000) * at("speed").value;
    last = now;
    if (seconds >= length()) {
      seconds = length();
      pause();
    } else requestAnimationFrame(step);
    draw();
  }

  function pause() {
    playing = false;
    at("play").textContent = "Play";
  }

  at("play").addEventListener("click", () => {
    if (playing || !current) return pause();
    if (seconds >= length()) seconds = 0;
    playing = true;
    last = performance.now();
    at("play").textContent = "Pause";
    requestAnimationFrame(step);
  });
  at("scrub").addEventListener("input", () => {
    pause();
    seconds = Number(at("scrub").value);
    draw();
  });
  at("recording").addEventListener("change", () => {
    pause();
    choose();
  });
  at("model").addEventListener("change", () => {
    pause();
    list();
  });
  at("turn").addEventListener("input", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  at("model").replaceChildren(...data.models.map((name, index) => new Option(name, index)));
  list();
})();
