// Screenshots of the pages. MOJO_SCREENSHOTS names their folder.
import { join } from "node:path";

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };

export class Screenshots {
  constructor(folder) {
    this.folder = folder;
  }

  // take makes screenshots of a tab: desktop and phone, light and dark.
  async take({ page }, name, fullPage = true) {
    if (!this.folder) return;
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        const path = join(this.folder, `${name}-${size}-${colorScheme}.png`);
        await page.screenshot({ path, fullPage: fullPage && size === "phone", animations: "disabled" });
      }
    }
    await page.setViewportSize(sizes.desktop);
    await page.emulateMedia({ colorScheme: "light" });
  }

  // takeNote makes screenshots of the form for a note.
  async takeNote(tab, to) {
    if (!this.folder) return;
    await tab.openNote(to);
    await tab.page.locator("#note-text").fill("Your umbrella is still here");
    await this.take(tab, "note", false);
    await tab.page.keyboard.press("Escape");
  }

  async ofFailure(profiles) {
    if (!this.folder) return;
    for (const [i, { context }] of profiles.entries()) {
      for (const [j, page] of context.pages().entries()) {
        await page.screenshot({ path: join(this.folder, `failure-${i}-${j}.png`) }).catch(() => {});
      }
    }
  }
}
