"""The look of the status page: one inline sheet, light and dark, wide and narrow.

Levels differ in hue, in lightness and in the shape of their sign, so that no eye
and no black-and-white print depends on colour. Contrast of text is 4.5:1 or more.
"""

from typing import Final

STYLESHEET: Final = """
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--ink:#16191d;--soft:#565d68;--line:#dde0e5;--track:#e4e7eb;
--good:#00695c;--goodbg:#e0f2ee;--fair:#855000;--fairbg:#fff2d9;--bad:#b3201a;--badbg:#fde7e5;--mute:#565d68;
--mutebg:#eceef1;--link:#0b57a4}
@media (prefers-color-scheme:dark){:root{--page:#101317;--card:#191d23;--ink:#e8eaed;--soft:#a3abb7;--line:#2b313a;
--track:#313842;--good:#5ed1b8;--goodbg:#10302b;--fair:#f5bd55;--fairbg:#37290d;--bad:#ff9389;--badbg:#421a18;
--mute:#a3abb7;--mutebg:#262c34;--link:#8ab8f0}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Noto Sans","Segoe UI",sans-serif;
overflow-wrap:anywhere}
.page{max-width:1200px;margin:0 auto;padding:20px 24px 32px}
header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;justify-content:space-between;margin-bottom:14px}
header p{margin:0}
.soft{color:var(--soft)}
.small{font-size:13px}
.nowrap{white-space:nowrap}
.digits{white-space:nowrap}
.digits i{font-style:normal;margin-left:.2em}
.cluster{font-weight:650}
svg{width:1em;height:1em;flex:none;fill:currentColor}
.verdict{display:flex;gap:16px;padding:18px 20px;border-radius:10px;border:1px solid;border-left-width:8px}
.verdict>svg{font-size:34px;margin-top:1px}
h1{font-size:22px;line-height:1.35;font-weight:650;margin:0;color:var(--ink)}
.verdict ul{margin:10px 0 0;padding-left:20px;color:var(--ink)}
.good{color:var(--good);background:var(--goodbg)}.fair{color:var(--fair);background:var(--fairbg)}
.bad{color:var(--bad);background:var(--badbg)}.mute{color:var(--mute);background:var(--mutebg)}
.mark{display:inline-flex;gap:6px;align-items:center;padding:1px 9px 1px 7px;border-radius:12px;font-weight:550}
.mark svg{font-size:12px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;margin-top:16px;padding:16px 20px}
section>p:not(.notice){margin:0 0 10px;max-width:100ch}
pre{margin:0 0 10px;padding:8px 12px;border-radius:8px;background:var(--page);font:13px/1.6 ui-monospace,monospace;
white-space:pre-wrap}
h2{font-size:16px;margin:0 0 8px;font-weight:650}
.notice{margin:0 0 10px;color:var(--ink);padding:6px 12px;border-radius:8px}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:9px 18px 9px 0;border-top:1px solid var(--line);vertical-align:top}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:13px;padding-top:0;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
td{overflow-wrap:normal}
td.free{overflow-wrap:anywhere}
td .mark,td .sub{white-space:nowrap}
td.free .sub{white-space:normal}
tbody th{font-weight:600;min-width:8em}
tr.gone td,tr.gone th{color:var(--soft)}
.sub{display:block;font-size:13px;font-weight:400;color:var(--soft)}
.age{min-width:112px}
.track{display:block;height:6px;border-radius:3px;background:var(--track);margin-top:5px;overflow:hidden}
.track i{display:block;height:100%;background:var(--good)}
.track i.late{background:var(--fair)}
.track i.over{background:repeating-linear-gradient(135deg,var(--bad) 0 5px,transparent 5px 8px)}
main>.notice{margin:16px 0 0}
.cards{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,1fr);gap:16px;margin-top:16px}
.cards>div{display:flex;flex-direction:column;gap:16px;min-width:0}
.cards section{margin:0;min-width:0}
.cards section:last-child{flex:1}
.wide dl{grid-template-columns:minmax(112px,auto) 1fr minmax(112px,auto) 1fr}
dl{display:grid;grid-template-columns:minmax(112px,auto) 1fr;gap:6px 16px;margin:0;font-variant-numeric:tabular-nums}
dt{color:var(--soft)}
dd{margin:0;min-width:0}
footer{display:flex;flex-wrap:wrap;gap:4px 20px;margin-top:18px;color:var(--soft);font-size:13px}
a{color:var(--link);text-underline-offset:2px}
footer a{display:inline-block;padding:3px 0}
a:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}
@media (max-width:1000px){
.page{padding:14px 12px 24px}
section,.verdict{padding:14px}
.verdict{gap:12px}
.verdict>svg{font-size:26px}
h1{font-size:18px}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,th,td{display:block}
tbody tr{border-top:1px solid var(--line);padding:10px 0}
tbody tr:first-child{border-top:0;padding-top:0}
tbody th,tbody td{border:0;padding:2px 0}
tbody th{font-size:16px;padding-bottom:4px}
tbody td{display:grid;grid-template-columns:96px 1fr;gap:12px}
tbody td::before{content:attr(data-name);color:var(--soft)}
td .mark,td .sub{white-space:normal}
.age{min-width:0}
dl,.wide dl{grid-template-columns:minmax(96px,auto) 1fr}
.cards{grid-template-columns:minmax(0,1fr)}
}
""".strip()
