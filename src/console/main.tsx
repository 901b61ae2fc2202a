import { render } from 'preact';
import { restoreSession } from './state/session.js';
import { applyTheme } from './state/theme.js';
import { App } from './view/app.js';

applyTheme();
restoreSession();
render(<App />, document.getElementById('app') as HTMLElement);
