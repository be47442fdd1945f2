// @ts-check
// Draws the panels of lines with uPlot. All numbers are formatted already; here is only what depends on the screen.
(() => {
  /** @typedef {{name: string, values: (number | null)[], texts: (string | null)[], colour: string, width: number, dash: number[] | null, fill: number, stepped: boolean}} Line */
  /** @typedef {{times: number[], series: Line[], axis: {low: number, high: number, marks: number[], texts: string[]}, limits: {value: number, colour: string}[], stacked: boolean}} Lines */
  /** @typedef {{kind: string, title: string, colour: string, from: number, to: number}} Mark */

  const root = document.documentElement;
  const wanted = location.hash === "#dark" || location.hash === "#light" ? location.hash.slice(1) : "";
  root.dataset.theme = wanted || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  /** @type {Mark[]} */
  const marks = JSON.parse(document.getElementById("marks")?.textContent ?? "[]");
  /** @type {uPlot[]} */
  let drawn = [];

  /** @param {string} name */
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  /** @param {string} hex @param {number} share */
  const faint = (hex, share) => hex + Math.round(share * 255).toString(16).padStart(2, "0");

  /**
   * A sample between two gaps makes no line: it is a dot.
   * @param {(number | null)[]} values
   */
  const alone = (values) => () =>
    values.flatMap((value, at) => (value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null ? [at] : []));

  /** @param {Lines} lines @returns {uPlot.Plugin} */
  const overlay = (lines) => ({
    hooks: {
      drawAxes: (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        for (const mark of marks) {
          const left = plot.valToPos(mark.from, "x", true);
          const right = plot.valToPos(mark.to, "x", true);
          ctx.fillStyle = faint(mark.colour, 0.05);
          ctx.fillRect(left, bbox.top, right - left, bbox.height);
          ctx.strokeStyle = faint(mark.colour, 0.7);
          ctx.lineWidth = devicePixelRatio;
          ctx.setLineDash([3, 3]);
          ctx.beginPath();
          ctx.moveTo(left, bbox.top);
          ctx.lineTo(left, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.restore();
      },
      draw: (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        for (const limit of lines.limits) {
          const y = plot.valToPos(limit.value, "y", true);
          ctx.strokeStyle = limit.colour;
          ctx.lineWidth = devicePixelRatio;
          ctx.setLineDash([8, 6]);
          ctx.beginPath();
          ctx.moveTo(bbox.left, y);
          ctx.lineTo(bbox.left + bbox.width, y);
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  });

  /** @param {HTMLElement} place */
  const draw = (place) => {
    /** @type {Lines} */
    const lines = JSON.parse(place.nextElementSibling?.textContent ?? "");
    const font = "11px Inter, 'Noto Sans', system-ui, sans-serif";
    const ink = colour("--soft");
    const grid = { stroke: colour("--grid"), width: 1 };
    const widest = Math.max(...lines.axis.texts.map((text) => text.length));
    /** @type {uPlot.Series[]} */
    const series = lines.series.map((line) => ({
      label: line.name,
      stroke: line.colour,
      width: line.width,
      dash: line.dash ?? undefined,
      fill: line.fill ? faint(line.colour, line.fill) : undefined,
      paths: line.stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
      points: { show: false, fill: line.colour, size: 5, filter: alone(line.values) },
    }));
    const values = lines.series.map((line) => line.values);
    /** @type {uPlot.Options} */
    const options = {
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      tzDate: (moment) => uPlot.tzDate(new Date(moment * 1e3), "Etc/UTC"),
      scales: { x: { time: true }, y: { range: [lines.axis.low, lines.axis.high] } },
      axes: [
        {
          stroke: ink,
          grid,
          ticks: { show: false },
          font,
          size: 24,
          space: 60,
          values: (_plot, moments) =>
            moments.map((moment) => new Date(moment * 1e3).toISOString().slice(11, moments.length > 1 && (moments[1] ?? 0) - (moments[0] ?? 0) < 60 ? 19 : 16)),
        },
        {
          stroke: ink,
          grid,
          ticks: { show: false },
          font,
          size: 14 + 6.4 * widest,
          splits: () => lines.axis.marks,
          values: () => lines.axis.texts,
        },
      ],
      series: [{}, ...series],
      plugins: [overlay(lines)],
    };
    // Of stacked lines the last is the highest: it is drawn first, and the others over it.
    if (lines.stacked) {
      options.series = [{}, ...series.slice().reverse()];
      values.reverse();
    }
    const plot = new uPlot(options, /** @type {uPlot.AlignedData} */ ([lines.times, ...values]), place);
    drawn.push(plot);
  };

  /** Put the times below the bars, and hide words that have no room, as Grafana does. */
  const fitTimelines = () => {
    for (const timeline of document.querySelectorAll(".timeline")) {
      const bar = timeline.querySelector("dd");
      const times = /** @type {HTMLElement | null} */ (timeline.nextElementSibling);
      if (bar && times) times.style.marginLeft = `${bar.offsetLeft - /** @type {HTMLElement} */ (timeline).offsetLeft}px`;
      for (const word of timeline.querySelectorAll("span")) {
        const room = word.parentElement?.clientWidth ?? 0;
        word.style.visibility = word.scrollWidth > room ? "hidden" : "visible";
      }
    }
  };

  const drawAll = () => {
    fitTimelines();
    for (const plot of drawn) plot.destroy();
    drawn = [];
    for (const place of document.querySelectorAll(".plot")) draw(/** @type {HTMLElement} */ (place));
  };

  document.getElementById("theme")?.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    drawAll();
  });
  addEventListener("resize", drawAll);
  drawAll();
})();
