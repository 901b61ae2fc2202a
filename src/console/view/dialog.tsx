import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icons.js';

/** Something in front of everything else, until it is closed: by its button, Escape, or a click beside it. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const ref = useModal();
  return (
    <dialog ref={ref} class="dialog" aria-label={title} onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button class="icon-button" type="button" aria-label="Close" onClick={() => ref.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <div class="body">{children}</div>
    </dialog>
  );
}

/** A picture as large as it fits. */
export function PictureView({ src, name, onClose }: { src: string; name: string; onClose: () => void }) {
  const ref = useModal();
  return (
    <dialog ref={ref} class="picture-view" aria-label={name} onClose={onClose}>
      <button type="button" aria-label="Close the picture" onClick={() => ref.current?.close()}>
        <img src={src} alt={name} />
      </button>
    </dialog>
  );
}

function useModal() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    // A click beside it closes it, where browsers know how.
    ref.current?.setAttribute('closedby', 'any');
    ref.current?.showModal();
  }, []);
  return ref;
}
