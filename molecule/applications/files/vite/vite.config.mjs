// The development server of Vite. It takes requests for the hosts that stand here alone.
export default { cacheDir: "/tmp/vite", server: { allowedHosts: ["vite.example"] } };
