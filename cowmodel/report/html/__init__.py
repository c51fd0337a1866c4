"""One HTML file about an experiment, complete in itself: it asks for nothing over the network.

::

    findings   what is on disk        chart, axis   tables as pictures of lines and dots
    memory     a run, played again    heat, family  pages over time; who forked whom, who shares with whom
    grid       tables                 page, index   all of it as HTML

Every picture is there twice: as SVG, which needs no JavaScript and is what is printed, and drawn by Apache
ECharts from the same numbers, which lie in the page as JSON.
"""
