document.body.textContent = "one";
import.meta.hot?.accept();
