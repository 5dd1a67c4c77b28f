// Cameras and boards in space, drawn as they are turned.
const canvas = document.getElementById("scene");

if (canvas) {
  const scene = JSON.parse(document.getElementById("scene-data").textContent);
  const pen = canvas.getContext("2d");
  const sides = [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]];
  const everything = [...scene.cameras.flatMap((camera) => camera.points), ...scene.boards.flat()];
  const wide = Math.max(...everything.map(([x, y]) => Math.hypot(x, y)));
  const high = Math.max(...everything.map(([, , z]) => Math.abs(z)));
  let yaw = 0.5;
  let pitch = 0.45;
  let held = null;

  const draw = () => {
    const ratio = devicePixelRatio || 1;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const style = getComputedStyle(document.documentElement);
    const [ink, soft] = [style.getPropertyValue("--ink"), style.getPropertyValue("--soft")];
    const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    const scale = 1.85 * Math.min((width - 60) / wide, height / (Math.abs(cp) * high + Math.abs(sp) * wide));
    const seen = ([x, y, z]) => {
      const right = cy * x + sy * y;
      const ahead = cy * y - sy * x;
      const away = 3.6 + cp * ahead - sp * z;
      return [width / 2 + (scale * right) / away, height / 2 - (scale * (cp * z + sp * ahead)) / away];
    };
    const trace = (points) => {
      pen.beginPath();
      for (const point of points) pen.lineTo(...point);
    };
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.lineJoin = "round";
    pen.strokeStyle = pen.fillStyle = soft;
    for (const board of scene.boards) {
      trace(board.map(seen));
      pen.closePath();
      pen.globalAlpha = 0.05;
      pen.fill();
      pen.globalAlpha = 0.45;
      pen.lineWidth = 0.8;
      pen.stroke();
    }
    pen.lineWidth = 1.6;
    pen.font = "13px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const { name, colour, points } of scene.cameras) {
      const corners = points.map(seen);
      pen.globalAlpha = 1;
      pen.strokeStyle = pen.fillStyle = colour;
      for (const [a, b] of sides) {
        trace([corners[a], corners[b]]);
        pen.stroke();
      }
      trace(corners.slice(1));
      pen.globalAlpha = 0.18;
      pen.fill();
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      const across = corners[0][0] - (corners[1][0] + corners[3][0]) / 2;
      const back = corners[0][1] - (corners[1][1] + corners[3][1]) / 2;
      const far = Math.max(4, Math.hypot(back, across));
      const room = pen.measureText(name).width / 2 + 4;
      const x = Math.min(width - room, Math.max(room, corners[0][0] + (22 * across) / far));
      pen.fillText(name, x, corners[0][1] + (16 * back) / far + 5);
    }
  };
  const turn = (across, down) => {
    yaw += across;
    pitch = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, pitch + down));
    draw();
  };

  canvas.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    turn(0.008 * (held[0] - event.clientX), 0.008 * (event.clientY - held[1]));
    held = [event.clientX, event.clientY];
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (held = null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (!step) return;
    event.preventDefault();
    turn(...step);
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}
