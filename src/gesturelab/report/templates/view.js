
/* Recordings before any training: played, compared two at a time, marked; the marks are saved as labels.csv. */
(() => {
  const data = JSON.parse(document.getElementById("motion").textContent);
  const at = (id) => document.getElementById(id);
  const stage = createStage(data.rate, [at("skeleton"), at("skeleton2")], () => {});
  const { columns, rows } = data.table;
  const images = new Map(); /* what gestures become in a mirror, as far as the table says so */
  let saved = true;

  const cell = (row, column) => row[columns.indexOf(column)] ?? "";
  for (const row of rows) if (cell(row, "mirrored")) images.set(cell(row, "gesture"), cell(row, "mirrored"));
  for (const recording of data.recordings) undo(recording);

  function undo(recording) {
    recording.marks = { gesture: recording.gesture, correctness: recording.correctness, bad: false };
  }
  const relabelled = ({ marks, gesture, correctness }) => marks.gesture !== gesture || marks.correctness !== correctness;
  const marked = (recording) => recording.marks.bad || relabelled(recording);
  const chosen = () => data.recordings[at("recording").value];

  const by = (value) => (a, b) => String(value(a)).localeCompare(String(value(b)), "en", { numeric: true });
  const ORDERS = {
    found: (a, b) => (a.findings[0]?.rank ?? 99) - (b.findings[0]?.rank ?? 99) || b.findings.length - a.findings.length,
    marked: (a, b) => marked(b) - marked(a),
    name: () => 0,
    gesture: by((one) => one.marks.gesture),
    subject: by((one) => one.subject),
    seconds: (a, b) => a.seconds - b.seconds,
  };

  function title(recording) {
    const { marks, findings } = recording;
    const mark = marks.bad ? "✗ " : relabelled(recording) ? "✎ " : findings.length ? "⚠ " : "";
    const found = findings.length ? ` · ${findings[0].title}` : "";
    return `${mark}${recording.name}: ${plain(marks.gesture)}, ${recording.subject}${found}`;
  }

  function option(index) {
    const one = new Option(title(data.recordings[index]), index);
    one.title = one.text;
    return one;
  }

  function list() {
    const indices = data.recordings.map((_, index) => index);
    const [named, order] = [by((one) => one.name), ORDERS[at("order").value]];
    indices.sort((a, b) => order(data.recordings[a], data.recordings[b]) || named(data.recordings[a], data.recordings[b]));
    const kept = at("recording").value;
    at("recording").replaceChildren(...indices.map(option));
    at("recording").value = kept || indices[0];
  }

  /* The recordings to put beside the chosen one, by gesture, its own first. */
  function listOthers() {
    const own = chosen().marks.gesture;
    const groups = new Map();
    data.recordings.forEach(({ marks: { gesture } }, index) => (groups.get(gesture) ?? groups.set(gesture, []).get(gesture)).push(index));
    const gestures = [...groups.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const names = [own, ...gestures.filter((gesture) => gesture !== own)];
    const kept = at("other").value;
    at("other").replaceChildren(
      new Option("nothing", ""),
      ...names.map((name) => {
        const group = Object.assign(document.createElement("optgroup"), { label: plain(name) });
        group.append(...groups.get(name).map(option));
        return group;
      }),
    );
    at("other").value = kept;
    at("gestures").replaceChildren(...gestures.map((name) => new Option(name)));
  }

  function play() {
    const shown = [chosen(), data.recordings[at("other").value]];
    at("second").hidden = !shown[1];
    shown.forEach((recording, place) => {
      stage.show(place, recording?.motion, data.skeleton);
      at(place ? "caption2" : "caption").textContent = recording ? `${recording.name}: ${plain(recording.marks.gesture)}` : "";
    });
    stage.draw();
  }

  function describe() {
    const { name, subject, group, posture, seconds, findings, marks, motion, gesture } = chosen();
    const person = [subject, group && `(${group})`, posture && `, ${posture}`].filter(Boolean).join(" ").replace(" ,", ",");
    at("about").textContent =
      `${name}: person ${person}, ${motion ? `${seconds.toFixed(1)} s` : "cannot be played"}. Labelled ${plain(gesture)}.`;
    at("findings").replaceChildren(
      ...findings.map(({ title, detail }) => Object.assign(document.createElement("li"), { textContent: `${title}: ${detail}` })),
    );
    at("gesture").value = marks.gesture;
    at("correctness").value = marks.correctness;
    at("bad").checked = marks.bad;
    at("undo").disabled = !marked(chosen());
    const bad = data.recordings.filter(({ marks: { bad } }) => bad).length;
    const other = data.recordings.filter((one) => relabelled(one) && !one.marks.bad).length;
    at("marked").textContent = bad + other ? `${bad} bad, ${other} relabelled${saved ? ", saved" : ", not saved yet"}.` : "Nothing is marked.";
  }

  function mark(changes) {
    Object.assign(chosen().marks, changes);
    saved = false;
    const texts = document.querySelectorAll(`#recording option[value="${at("recording").value}"]`);
    texts.forEach((one) => (one.textContent = one.title = title(chosen())));
    at("caption").textContent = `${chosen().name}: ${plain(chosen().marks.gesture)}`;
    listOthers();
    describe();
  }

  /* The table as it was, without bad recordings, with the new labels. */
  function table() {
    const kept = rows.map((row) => [...row]);
    const header = [...columns];
    const set = (row, column, value) => {
      if (!header.includes(column)) {
        header.push(column);
        kept.forEach((each) => each.push(""));
      }
      row[header.indexOf(column)] = value;
    };
    for (const { row, marks, gesture, correctness } of data.recordings) {
      if (marks.gesture !== gesture) set(kept[row], "gesture", marks.gesture);
      if (marks.correctness !== correctness) set(kept[row], "correctness", marks.correctness);
    }
    if (columns.includes("mirrored")) for (const row of kept) set(row, "mirrored", images.get(cell(row, "gesture")) ?? "");
    const bad = new Set(data.recordings.filter(({ marks }) => marks.bad).map(({ row }) => row));
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = [header, ...kept.filter((_, row) => !bad.has(row))];
    return lines.map((row) => row.map(quoted).join(",") + "\n").join("");
  }

  at("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.download = "labels.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    saved = true;
    describe();
  });
  at("undo").addEventListener("click", () => {
    undo(chosen());
    mark({});
  });
  at("gesture").addEventListener("change", () => mark({ gesture: at("gesture").value.trim() || chosen().gesture }));
  at("correctness").addEventListener("change", () => mark({ correctness: at("correctness").value }));
  at("bad").addEventListener("change", () => mark({ bad: at("bad").checked }));
  at("order").addEventListener("change", list);
  at("other").addEventListener("change", play);
  at("recording").addEventListener("change", () => {
    listOthers();
    play();
    describe();
  });
  at("recording").addEventListener("keydown", (event) => {
    if (event.key === " ") stage.toggle();
    else if (event.key.toLowerCase() === "b" && !event.ctrlKey && !event.metaKey) mark({ bad: !chosen().marks.bad });
    else return;
    event.preventDefault();
  });
  addEventListener("beforeunload", (event) => {
    if (!saved) event.preventDefault();
  });

  at("correctness").replaceChildren(...data.correctness.map((name) => new Option(name)));
  list();
  listOthers();
  play();
  describe();
})();
