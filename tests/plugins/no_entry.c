// A library, but no plugin.
int jailsvc_something_else(void);
int jailsvc_something_else(void) {
    return 1;
}
