#ifndef LIMETTA_MAIN_NOTIFY_H
#define LIMETTA_MAIN_NOTIFY_H

/* Tells the service manager that started us how we are (sd_notify(3)): "READY=1", "STOPPING=1". Does nothing when none wants to know. */
void notify_send(const char *state);

#endif
