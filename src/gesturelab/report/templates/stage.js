
/* Skeletons in motion on canvases that share one clock and one scale; `moved` is called at each new moment. */
function createStage(rate, canvases, moved) {
  const at = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = canvases.map(() => null); /* what each canvas shows, decoded */
  let seconds = 0;
  let playing = false;
  let last = 0;

  const decode = (code) => {
    const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 2 }, (_, index) => view.getInt16(2 * index, true));
  };
  const length = () => Math.max(0, ...shown.map((motion) => (motion ? (motion.frames - 1) / rate : 0)));

  /* Puts a motion on a canvas, at its beginning; without a code the canvas is empty. */
  function show(place, code, skeleton) {
    shown[place] = null;
    if (code) {
      const positions = decode(code);
      shown[place] = { ...skeleton, positions, frames: positions.length / (3 * skeleton.joints.length), ...bounds(positions) };
    }
    pause();
    seconds = 0;
    at("scrub").max = length();
  }

  /* Marks joints of what a canvas shows: each by a share of the largest, in per cent, and the first ones by number. */
  function mark(place, marks) {
    if (shown[place]) shown[place].marks = marks;
  }

  /* Middle of the motion in millimetres, and what fits it on a canvas however it is turned. */
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
    const [{ width, height }] = canvases;
    return { middle, scale: 0.88 * Math.min(height / Math.max(1, high[1] - low[1]), width / Math.max(1, wide)) };
  }

  function draw() {
    const scale = Math.min(...shown.filter(Boolean).map((motion) => motion.scale));
    canvases.forEach((canvas, place) => {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      if (shown[place]) drawSkeleton(canvas, shown[place], scale);
    });
    at("time").textContent = `${seconds.toFixed(1)} of ${length().toFixed(1)} s`;
    at("scrub").value = seconds;
    moved();
  }

  function drawSkeleton(canvas, { joints, parents, positions, frames, middle, marks }, scale) {
    const pen = canvas.getContext("2d");
    const exact = Math.min(frames - 1, seconds * rate);
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
    if (marks) drawMarks(pen, places, marks);
  }

  /* A ring around each joint that matters, larger and thicker the more it does. */
  function drawMarks(pen, places, { joints, top }) {
    pen.strokeStyle = pen.fillStyle = colour("--why");
    pen.font = "bold 28px system-ui, sans-serif";
    joints.forEach((share, joint) => {
      if (!share) return;
      pen.lineWidth = 2 + share / 25;
      pen.beginPath();
      pen.arc(...places[joint], 10 + share / 6, 0, 2 * Math.PI);
      pen.stroke();
    });
    top.forEach((joint, rank) => pen.fillText(rank + 1, places[joint][0] + 24, places[joint][1] - 14));
  }

  function step(now) {
    if (!playing) return;
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

  function toggle() {
    if (playing || !shown.some(Boolean)) return pause();
    if (seconds >= length()) seconds = 0;
    playing = true;
    last = performance.now();
    at("play").textContent = "Pause";
    requestAnimationFrame(step);
  }

  function seek(moment) {
    pause();
    seconds = moment;
    draw();
  }

  at("play").addEventListener("click", toggle);
  at("scrub").addEventListener("input", () => seek(Number(at("scrub").value)));
  at("turn").addEventListener("input", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return { show, mark, draw, pause, toggle, seek, length, seconds: () => seconds };
}

const plain = (name) => name.replaceAll("_", " ");
