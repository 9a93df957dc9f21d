// The icons of all pages. They are laid into the page and not fetched when they are shown: a button that changes while
// the gateway is away keeps its face.

import { template } from "./page.js";

const sheet = template(`<svg class="symbols" aria-hidden="true">
  <symbol id="icon-phone" viewBox="0 0 24 24">
    <rect x="7" y="2.5" width="10" height="19" rx="2.5"/><path d="M11 18.5h2"/>
  </symbol>
  <symbol id="icon-speaker" viewBox="0 0 24 24">
    <rect x="6" y="2.5" width="12" height="19" rx="2.5"/><circle cx="12" cy="15" r="3.5"/><path d="M12 7h0"/>
  </symbol>
  <symbol id="icon-laptop" viewBox="0 0 24 24">
    <rect x="4.5" y="5" width="15" height="10.5" rx="1.5"/><path d="M2 19h20"/>
  </symbol>
  <symbol id="icon-car" viewBox="0 0 24 24">
    <path d="M4 16.5v-4l2-5.5h12l2 5.5v4ZM4 12.5h16M6.5 16.5v2M17.5 16.5v2"/>
  </symbol>
  <symbol id="icon-tv" viewBox="0 0 24 24">
    <rect x="3" y="5" width="18" height="11.5" rx="1.5"/><path d="M8 20h8"/>
  </symbol>
  <symbol id="icon-headphones" viewBox="0 0 24 24">
    <path d="M4 16v-3a8 8 0 0 1 16 0v3"/>
    <rect x="3.5" y="14" width="4" height="6" rx="1.5"/><rect x="16.5" y="14" width="4" height="6" rx="1.5"/>
  </symbol>
  <symbol id="icon-play" viewBox="0 0 24 24">
    <path fill="currentColor" stroke="none"
          d="M8 5.2v13.6a.8.8 0 0 0 1.2.7l11-6.8a.8.8 0 0 0 0-1.4l-11-6.8A.8.8 0 0 0 8 5.2Z"/>
  </symbol>
  <symbol id="icon-pause" viewBox="0 0 24 24">
    <path fill="currentColor" stroke="none" d="M7 5h3.4v14H7ZM13.6 5H17v14h-3.4Z"/>
  </symbol>
  <symbol id="icon-next" viewBox="0 0 24 24">
    <path fill="currentColor" stroke="none" d="M5.5 6.2v11.6l9-5.8ZM16 6h2.5v12H16Z"/>
  </symbol>
  <symbol id="icon-previous" viewBox="0 0 24 24">
    <path fill="currentColor" stroke="none" d="M18.5 6.2v11.6l-9-5.8ZM5.5 6H8v12H5.5Z"/>
  </symbol>
  <symbol id="icon-close" viewBox="0 0 24 24"><path d="m7 7 10 10M17 7 7 17"/></symbol>
  <symbol id="icon-plug" viewBox="0 0 24 24"><path d="M12 3v8M7.2 6.2a7.5 7.5 0 1 0 9.6 0"/></symbol>
  <symbol id="icon-add" viewBox="0 0 24 24"><path d="M12 5v14M5 12h14"/></symbol>
  <symbol id="icon-window" viewBox="0 0 24 24"><path d="M10 5H5v14h14v-5M14 4h6v6M20 4l-9 9"/></symbol>
  <symbol id="icon-back" viewBox="0 0 24 24"><path d="M4.5 12a7.5 7.5 0 1 0 3-6L4.5 8M4.5 3.5V8H9"/></symbol>
  <symbol id="icon-forward" viewBox="0 0 24 24"><path d="M19.5 12a7.5 7.5 0 1 1-3-6l3 2M19.5 3.5V8H15"/></symbol>
  <symbol id="icon-copy" viewBox="0 0 24 24">
    <rect x="8.5" y="8.5" width="11" height="11" rx="2"/>
    <path d="M15.5 8.5v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2"/>
  </symbol>
  <symbol id="icon-leave" viewBox="0 0 24 24"><path d="M10 4.5H5v15h5M9.5 12H20M16 8l4 4-4 4"/></symbol>
  <symbol id="icon-send" viewBox="0 0 24 24"><path d="M12 19.5V5M5.5 11.5 12 5l6.5 6.5"/></symbol>
  <symbol id="icon-feed" viewBox="0 0 24 24">
    <circle cx="6" cy="18" r="1.5" fill="currentColor"/>
    <path d="M4.5 11a8.5 8.5 0 0 1 8.5 8.5M4.5 4.5a15 15 0 0 1 15 15"/>
  </symbol>
  <symbol id="icon-chart" viewBox="0 0 24 24"><path d="M4 4v16h16M7.5 15l4-5 3.5 3 4.5-7"/></symbol>
  <symbol id="icon-photos" viewBox="0 0 24 24">
    <rect x="3.5" y="6.5" width="17" height="13" rx="2"/><path d="M6.5 3.5h11M4 16.5l5-5 4 4 2.5-2.5 4.5 4.5"/>
  </symbol>
  <symbol id="icon-code" viewBox="0 0 24 24"><path d="m8 7-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14"/></symbol>
  <symbol id="icon-people" viewBox="0 0 24 24">
    <circle cx="9" cy="8" r="3.5"/>
    <path d="M2.5 19.5c.4-4 2.9-6 6.5-6s6.1 2 6.5 6M15.5 4.8a3.5 3.5 0 0 1 0 6.4M18 14c2.1.8 3.3 2.6 3.5 5.5"/>
  </symbol>
</svg>`);

document.body.prepend(sheet());
