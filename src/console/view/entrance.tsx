import { useId, useState } from 'preact/hooks';
import { Parlance } from '../../client/index.js';
import { wordsOf } from '../state/host.js';
import { farewell, offered, signIn } from '../state/session.js';

const WAYS = ['Register', 'Log in', 'Token'] as const;
type Way = (typeof WAYS)[number];

/** Signing in: as somebody new, as somebody known, or with a token. */
export function Entrance() {
  const [way, setWay] = useState<Way>(offered.value ? 'Token' : 'Register');
  const [fault, setFault] = useState(farewell.value);
  const [busy, setBusy] = useState(false);
  const panel = useId();

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    setBusy(true);
    setFault('');
    try {
      await signIn(await tokenOf(way, form), form.get('keep') === 'on');
    } catch (error) {
      setFault(faultOf(error, way));
      setBusy(false);
    }
  };

  return (
    <main class="entrance">
      <div>
        <div class="brand">
          <img src="/icon.svg" width="52" height="52" alt="" />
          <div>
            <h1>Parlance</h1>
            <p>Five chat APIs, one conversation.</p>
          </div>
        </div>
        <div class="card">
          <div class="tabs" role="tablist" aria-label="How to sign in">
            {WAYS.map((one) => (
              <button
                key={one}
                type="button"
                role="tab"
                aria-selected={one === way}
                aria-controls={panel}
                onClick={() => {
                  setWay(one);
                  setFault('');
                }}
              >
                {one}
              </button>
            ))}
          </div>
          <form id={panel} aria-label={way} onSubmit={(event) => void submit(event)}>
            <Fields way={way} />
            <label class="keep">
              <input type="checkbox" name="keep" />
              Stay signed in on this device
            </label>
            {fault && (
              <p class="fault" role="alert">
                {fault}
              </p>
            )}
            <button class="button primary" type="submit" disabled={busy}>
              {busy ? 'One moment…' : way === 'Register' ? 'Create account' : 'Sign in'}
            </button>
          </form>
        </div>
      </div>
    </main>
  );
}

function Fields({ way }: { way: Way }) {
  if (way === 'Token') {
    return (
      <>
        <label class="field">
          <span>Access token</span>
          <textarea
            class="input"
            name="token"
            rows={4}
            required
            autocomplete="off"
            spellcheck={false}
            defaultValue={offered.value}
          />
        </label>
        <p class="hint">A JSON Web Token of this service or its identity provider.</p>
      </>
    );
  }
  return (
    <>
      {way === 'Register' && (
        <label class="field">
          <span>Name</span>
          <input class="input" name="name" autocomplete="name" maxlength={100} required dir="auto" />
        </label>
      )}
      <label class="field">
        <span>E-mail</span>
        <input class="input" name="email" type="email" autocomplete="email" required />
      </label>
      <label class="field">
        <span>Password</span>
        <input
          class="input"
          name="password"
          type="password"
          autocomplete={way === 'Register' ? 'new-password' : 'current-password'}
          minlength={8}
          required
        />
      </label>
    </>
  );
}

/** @throws RefusedError */
async function tokenOf(way: Way, form: FormData): Promise<string> {
  const text = (name: string) => String(form.get(name) ?? '').trim();
  if (way === 'Token') return text('token').replace(/\s+/g, '');
  const { api } = new Parlance();
  const password = String(form.get('password'));
  const { token } =
    way === 'Register'
      ? await api.register(text('email'), password, text('name'))
      : await api.logIn(text('email'), password);
  return token;
}

function faultOf(error: unknown, way: Way): string {
  const { status } = error as { status?: number };
  if (status === 404)
    return 'This service has no accounts of its own. Sign in with a token of its identity provider.';
  if (status === 401 && way === 'Token') return 'This token is not valid here, or no longer.';
  const words = wordsOf(error);
  return `${words[0]?.toUpperCase()}${words.slice(1)}.`;
}
