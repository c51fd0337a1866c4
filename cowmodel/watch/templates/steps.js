"use strict";
(() => {
  const steps = [...document.querySelectorAll(".step")];
  const [first, back, next, last] = ["first", "back", "next", "last"].map((id) => document.getElementById(id));
  const slider = document.getElementById("slider"), place = document.getElementById("place");
  let now = 0;
  const show = (wanted) => {
    now = Math.min(Math.max(wanted, 0), steps.length - 1);
    steps.forEach((step, number) => step.classList.toggle("now", number === now));
    slider.value = now + 1;
    slider.setAttribute("aria-valuetext", steps[now].dataset.told);
    place.textContent = steps[now].dataset.told;
    first.disabled = back.disabled = now === 0;
    next.disabled = last.disabled = now === steps.length - 1;
    history.replaceState(null, "", "#" + steps[now].id);
  };
  const named = () => steps.findIndex((step) => "#" + step.id === location.hash);
  const keys = { ArrowRight: () => now + 1, ArrowLeft: () => now - 1, PageDown: () => now + 1, PageUp: () => now - 1,
    Home: () => 0, End: () => steps.length - 1 };
  document.documentElement.classList.add("js");
  first.onclick = () => show(0);
  back.onclick = () => show(now - 1);
  next.onclick = () => show(now + 1);
  last.onclick = () => show(steps.length - 1);
  slider.oninput = () => show(slider.value - 1);
  addEventListener("hashchange", () => show(named()));
  addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey || event.target === slider) return;
    event.preventDefault();
    show(keys[event.key]());
  });
  show(named());
})();
