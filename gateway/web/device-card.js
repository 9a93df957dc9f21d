// The markup of a device's card, for every page that shows one. It is made once and copied.

import { template } from "./page.js";

export const deviceCard = template(`<article class="device">
  <header class="device-head">
    <svg class="icon device-icon" aria-hidden="true"><use data-part="icon"/></svg>
    <div class="device-name">
      <h2 data-part="name"></h2>
      <p class="link-state"><span role="status" data-part="status"></span> <span data-part="detail"></span></p>
    </div>
    <button class="quiet" type="button" data-part="plug">
      <svg class="icon" aria-hidden="true"><use href="#icon-plug"/></svg>
    </button>
    <button class="quiet" type="button" data-part="remove">
      <svg class="icon" aria-hidden="true"><use href="#icon-close"/></svg>
    </button>
  </header>

  <div class="now">
    <img class="cover" data-part="cover" alt="" width="200" height="200">
    <div class="words">
      <p class="state">
        <span class="beat" aria-hidden="true"><i></i><i></i><i></i></span><span data-part="state"></span>
      </p>
      <h3 data-part="title"></h3>
      <p class="artist" data-part="artist"></p>
      <p class="album" data-part="album"></p>
    </div>
  </div>

  <div class="seek">
    <svg class="wave" aria-hidden="true" viewBox="0 0 72 100" preserveAspectRatio="none">
      <path data-part="wave"/>
    </svg>
    <svg class="wave played" aria-hidden="true" viewBox="0 0 72 100" preserveAspectRatio="none">
      <path data-part="played"/>
    </svg>
    <input type="range" min="0" max="1" step="any" value="0" data-part="seek" aria-label="Position">
  </div>
  <div class="times"><span data-part="elapsed">0:00</span><span data-part="length">0:00</span></div>

  <div class="controls">
    <button class="round" type="button" data-part="previous" aria-label="Previous track"
            title="To the start, then to the track before">
      <svg class="icon" aria-hidden="true"><use href="#icon-previous"/></svg>
    </button>
    <button class="round main" type="button" data-part="toggle">
      <svg class="icon" aria-hidden="true"><use data-part="toggle-icon"/></svg>
    </button>
    <button class="round" type="button" data-part="next" aria-label="Next track" title="Next track">
      <svg class="icon" aria-hidden="true"><use href="#icon-next"/></svg>
    </button>
  </div>

  <p class="notice" data-part="notice" role="alert"></p>

  <div class="folds">
    <details class="fold" data-part="queue-fold">
      <summary>Queue</summary>
      <ol class="queue" data-part="queue"></ol>
    </details>
    <details class="fold" data-part="wire-fold">
      <summary>On the wire</summary>
      <dl class="facts" data-part="facts"></dl>
      <ol class="log" data-part="log"></ol>
    </details>
  </div>
</article>`);

export const queueRow = template(`<li>
  <button type="button">
    <img alt="" width="40" height="40">
    <span class="row-title"></span><span class="row-artist"></span><span class="row-length"></span>
  </button>
</li>`);
