"use strict";
// Draws with ECharts what lies in the page as JSON, once it is scrolled to; lets tables be sorted; and lets
// the arrow keys go through the values of a picture, which are then also said (aria-live).
(() => {
  const all = JSON.parse(document.getElementById("pictures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const escape = text => text.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const shape = look => "path://" + all.markers[look.marker];
  const line = look => ({ color: colour("--look-" + look.colour), width: 1.6, type: look.dashes ? look.dashes.split(" ").map(Number) : "solid" });

  const axis = (from, crossing, wide) => ({
    type: from.kind, name: crossing ? "" : from.title, nameLocation: "middle", nameGap: slanted(from, wide) ? 78 : 28, min: from.low, max: from.high,
    nameTextStyle: { color: colour("--ink") }, axisLine: { show: true, onZero: false, lineStyle: { color: colour("--faint") } },
    splitLine: { show: crossing, lineStyle: { color: colour("--line") } }, minorTick: { show: false },
    axisTick: { show: !crossing, customValues: from.ticks.map(t => t[0]) },
    axisLabel: {
      color: colour("--ink"), customValues: from.ticks.map(t => t[0]), rotate: !crossing && slanted(from, wide) ? 28 : 0, hideOverlap: false,
      formatter: value => (from.ticks.find(t => Math.abs(t[0] - value) <= 1e-9 * Math.max(Math.abs(value), Math.abs(t[0]))) || ["", ""])[1],
    },
  });
  const slanted = (from, wide) => from.ticks.map(t => t[1] + "  ").join("").length * 6.6 > wide;

  const bars = (one, at) => ({
    type: "custom", name: one.name, silent: true, z: 1, tooltip: { show: false },
    data: one.dots.filter(dot => dot[2] !== null).map(dot => [dot[0], dot[2], dot[3]]),
    renderItem: (_, api) => {
      const [x, low] = api.coord([api.value(0), api.value(1)]), high = api.coord([api.value(0), api.value(2)])[1];
      return { type: "path", shape: { pathData: `M${x - 3} ${low}h6M${x} ${low}V${high}M${x - 3} ${high}h6`, x: 0, y: 0 }, style: { stroke: colour("--look-" + at.colour), fill: "none", lineWidth: 1.4 } };
    },
    encode: { x: 0, y: [1, 2] },
  });

  const ground = () => ({
    animation: false, textStyle: { color: colour("--ink"), fontFamily: "system-ui, sans-serif" },
    tooltip: { confine: true, backgroundColor: colour("--ground"), borderColor: colour("--line"), textStyle: { color: colour("--ink") }, extraCssText: "max-width: 22rem; white-space: normal;" },
  });

  const kinds = {
    chart: (from, box) => {
      const wide = box.clientWidth - 96;
      const series = from.lines.map(one => {
        const look = all.looks[one.look];
        return {
          type: one.joined ? "line" : "scatter", name: one.name, data: one.dots.map(dot => ({ value: [dot[0], dot[1]], text: dot[4] })), symbol: shape(look), symbolSize: one.joined ? 9 : 5,
          itemStyle: { color: colour("--look-" + look.colour), opacity: one.joined ? 1 : 0.6 }, lineStyle: line(look), showAllSymbol: true,
        };
      });
      const option = {
        ...ground(), grid: { left: 78, right: 18, top: series.length > 1 ? 38 : 14, bottom: slanted(from.x, wide) ? 96 : 48 }, xAxis: axis(from.x, false, wide), yAxis: axis(from.y, true, wide),
        legend: { show: series.length > 1, type: "scroll", top: 0, textStyle: { color: colour("--ink") }, pageTextStyle: { color: colour("--ink") }, pageIconColor: colour("--ink"), inactiveColor: colour("--line") },
        series: [...series, ...from.lines.map(one => bars(one, all.looks[one.look]))],
      };
      option.tooltip.formatter = item => escape(`${item.seriesName}: ${item.data.text}`);
      return { option, rows: from.lines.map((one, row) => one.dots.map((dot, at) => [row, at, `${one.name}: ${dot[4]}`])) };
    },
    nodes: from => {
      const place = new Map(from.nodes.map((node, at) => [node[0], at]));
      const side = { type: "value", min: 0, max: 1, show: false };
      const option = {
        ...ground(), grid: { left: 30, right: 30, top: 24, bottom: 24 }, xAxis: side, yAxis: { ...side, inverse: true },
        series: [{
          type: "graph", coordinateSystem: "cartesian2d", symbolSize: 28, label: { show: true, color: colour("--ink"), formatter: item => item.data.pid },
          itemStyle: { color: colour("--ground"), borderColor: colour("--look-2"), borderWidth: 2 }, emphasis: { focus: "adjacency" },
          edgeSymbol: from.directed ? ["none", "arrow"] : ["none", "none"], edgeSymbolSize: 9,
          data: from.nodes.map(node => ({ id: String(node[0]), pid: String(node[0]), value: [node[1], node[2]], text: node[3] })),
          links: from.edges.map(edge => ({ source: place.get(edge[0]), target: place.get(edge[1]), text: edge[3], lineStyle: { width: 1 + 7 * edge[2], color: colour("--look-2"), opacity: 0.7 } })),
        }],
      };
      option.tooltip.formatter = item => escape(item.data.text);
      const rows = new Map();
      from.nodes.forEach((node, at) => rows.set(node[1], [...(rows.get(node[1]) || []), [0, at, node[3]]]));
      return { option, rows: from.directed ? [...rows.values()] : [from.nodes.map((node, at) => [0, at, node[3]])] };
    },
    heat: from => {
      const states = Object.keys(all.states), count = states.length, rows = from.firsts.length;
      const shares = at => [...from.cells.slice(at * count, (at + 1) * count)].map(digit => parseInt(digit, 36) / 35);
      const mixed = parts => {
        const sum = parts.reduce((a, b) => a + b, 0);
        const channel = from => Math.round(parts.reduce((a, part, n) => a + part * parseInt(all.state_colours[n].slice(from, from + 2), 16), 0) / sum);
        return `rgba(${channel(1)},${channel(3)},${channel(5)},${Math.min(1, sum).toFixed(2)})`;
      };
      const said = at => {
        const parts = shares(at).map((part, n) => part ? `${Math.round(100 * part)} % ${states[n]}` : "").filter(Boolean);
        return `after ${from.times[Math.floor(at / rows)]}, pages from ${from.firsts[at % rows]}: ${parts.join(", ") || "not mapped"}`;
      };
      const data = [], cells = [...Array(rows)].map(() => []);
      for (let at = 0; at < from.times.length * rows; at++) {
        const parts = shares(at), value = [Math.floor(at / rows), at % rows, 1];
        cells[at % rows].push([0, data.length, said(at)]);
        data.push({ value, cell: at, itemStyle: { color: parts.some(Boolean) ? mixed(parts) : "rgba(0,0,0,0)" } });
      }
      const side = { type: "category", splitArea: { show: false }, axisTick: { show: false }, axisLine: { lineStyle: { color: colour("--faint") } } };
      const option = {
        ...ground(), grid: { left: 112, right: 14, top: 10, bottom: 44 },
        xAxis: { ...side, data: from.times, name: "simulated time", nameLocation: "middle", nameGap: 28, nameTextStyle: { color: colour("--ink") }, axisLabel: { color: colour("--ink"), hideOverlap: true } },
        yAxis: { ...side, data: from.firsts, inverse: true, axisLabel: { color: colour("--ink"), interval: Math.max(0, Math.floor(rows / 8) - 1) } },
        series: [{ type: "heatmap", progressive: 0, data, emphasis: { itemStyle: { borderColor: colour("--ink"), borderWidth: 1 } } }],
      };
      option.tooltip.formatter = item => escape(said(item.data.cell));
      return { option, rows: cells };
    },
  };

  // Arrow keys: left and right within a row of values, up and down between rows, Home and End to its ends.
  const walk = (box, told, chart, rows) => {
    let row = 0, at = -1;
    const moves = { ArrowRight: () => at++, ArrowLeft: () => at--, ArrowDown: () => row++, ArrowUp: () => row--, Home: () => at = 0, End: () => at = Infinity };
    box.onkeydown = event => {
      if (event.key === "Escape") chart.dispatchAction({ type: "hideTip" });
      if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      moves[event.key]();
      row = Math.max(0, Math.min(rows.length - 1, row));
      at = Math.max(0, Math.min(rows[row].length - 1, at));
      const [seriesIndex, dataIndex, text] = rows[row][at];
      chart.dispatchAction({ type: "downplay" });
      chart.dispatchAction({ type: "highlight", seriesIndex, dataIndex });
      chart.dispatchAction({ type: "showTip", seriesIndex, dataIndex });
      told.textContent = text;
    };
  };

  const drawn = new Map();
  const draw = key => {
    const from = all.pictures[key], box = document.getElementById(key), told = document.getElementById(key + "-told");
    box.hidden = told.hidden = false;
    box.parentElement.classList.add("drawn");
    const chart = drawn.get(key) || echarts.init(box, null, { renderer: "canvas" });
    const { option, rows } = kinds[from.kind](from, box);
    chart.setOption(option, true);
    walk(box, told, chart, rows);
    drawn.set(key, chart);
  };
  const seen = new IntersectionObserver(entries => entries.filter(e => e.isIntersecting).forEach(e => {
    seen.unobserve(e.target);
    draw(e.target.dataset.key);
  }), { rootMargin: "300px" });
  for (const key of Object.keys(all.pictures)) {
    const figure = document.getElementById(key).parentElement;
    figure.dataset.key = key;
    seen.observe(figure);
  }
  dark.addEventListener("change", () => [...drawn.keys()].forEach(draw));
  addEventListener("resize", () => drawn.forEach((chart, key) => {
    chart.resize();
    draw(key);
  }));

  const sort = (table, column, heading) => {
    const rising = heading.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
    const keyed = [...body.rows].map(row => {
      const cell = row.cells[column];
      return [cell.dataset.v === undefined ? null : Number(cell.dataset.v), cell.textContent, row];
    });
    // what has no number comes last, whichever way numbers are sorted
    keyed.sort((a, b) => (a[0] === null) - (b[0] === null) || (rising ? 1 : -1) * (a[0] === null ? a[1].localeCompare(b[1], "en") : a[0] - b[0]));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
    body.append(...keyed.map(key => key[2]));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.onclick = () => sort(table, column, heading);
      heading.append(button);
    });
  }
})();
