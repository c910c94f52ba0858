# Receipt of tests/reference/survival_*.csv: what other programs answer for survival_cases.csv.
# Run as: Rscript survival_reference.R survival_cases.csv OUT
# The saved files came from R 4.2.2 with survival 3.5-3, bpcp 1.4.2, coxphf 1.13.4, cmprsk 2.2-12.
# A package that is not installed leaves its file unwritten.

suppressMessages(library(survival))
arguments <- commandArgs(trailingOnly = TRUE)
cases <- read.csv(arguments[1])
save <- function(rows, name) {
  path <- file.path(arguments[2], paste0("survival_", name, ".csv"))
  numbers <- vapply(rows, is.double, logical(1))
  rows[numbers] <- lapply(rows[numbers], function(x) sub("NaN", "NA", sprintf("%.15g", x)))
  write.csv(rows, path, row.names = FALSE, quote = FALSE)
}
each <- function(family, work) {
  here <- cases[cases$family == family, ]
  do.call(rbind, lapply(unique(here$case), function(name) {
    x <- here[here$case == name, ]
    rows <- work(x)
    if (is.null(rows)) NULL else cbind(case = name, rows)
  }))
}
response <- function(x) if (any(x$entry > 0)) Surv(x$entry, x$time, x$event) else Surv(x$time, x$event)
transforms <- c("plain", "log", "log-log", "logit", "arcsin")

curves <- each("curve", function(x) do.call(rbind, lapply(transforms, function(how) {
  f <- survfit(response(x) ~ 1, conf.type = how)
  data.frame(transform = how, time = f$time, at_risk = f$n.risk, events = f$n.event,
             censored = f$n.censor, survival = f$surv, standard_error = f$std.err * f$surv,
             low = f$lower, high = f$upper)
})))
save(curves, "curves")

quantiles <- each("curve", function(x) do.call(rbind, lapply(transforms, function(how) {
  p <- c(0.1, 0.25, 0.5, 0.75, 0.9)
  q <- quantile(survfit(response(x) ~ 1, conf.type = how), p)
  data.frame(transform = how, p = p, estimate = q$quantile, low = q$lower, high = q$upper)
})))
save(quantiles, "quantiles")

# survmean refuses nothing: it carries the last value on, so taus stay within the follow-up.
means <- each("curve", function(x) do.call(rbind, lapply(c(0.4, 0.9, 1), function(part) {
  tau <- part * max(x$time)
  if (tau < min(x$time)) return(NULL)  # summary.survfit refuses these
  m <- summary(survfit(response(x) ~ 1), rmean = tau)$table
  data.frame(tau = tau, estimate = m[["rmean"]], standard_error = m[["se(rmean)"]])
})))
save(means, "rmst")

incidence <- each("causes", function(x) {
  x$id <- seq_len(nrow(x))
  x$state <- factor(x$event, 0:2, c("censored", "one", "two"))
  f <- if (any(x$entry > 0)) survfit(Surv(entry, time, state) ~ 1, x, id = id)
       else survfit(Surv(time, state) ~ 1, x)
  data.frame(time = f$time, one = f$pstate[, 2], two = f$pstate[, 3],
             error_one = f$std.err[, 2], error_two = f$std.err[, 3])
})
save(incidence, "incidence")

logranks <- each("groups", function(x) do.call(rbind, lapply(c(0, 0.5, 1), function(rho) {
  f <- survdiff(Surv(time, event) ~ group, x, rho = rho)
  data.frame(rho = rho, group = sort(unique(x$group)), observed = f$obs, expected = f$exp,
             statistic = f$chisq)
})))
save(logranks, "logrank")

formula <- function(x) if (all(is.na(x$x2))) response(x) ~ x1 else response(x) ~ x1 + x2
exact <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)
cox <- each("cox", function(x) {
  f <- coxph(formula(x), x, control = exact)
  s <- summary(f)
  data.frame(term = names(coef(f)), coef = coef(f), standard_error = s$coefficients[, 3],
             p_value = s$coefficients[, 5], low = s$conf.int[, 3], high = s$conf.int[, 4],
             log_likelihood = f$loglik[2])
})
save(cox, "cox")

zph <- each("cox", function(x) do.call(rbind, lapply(c("km", "rank", "identity", "log"), function(g) {
  z <- cox.zph(coxph(formula(x), x, control = exact), transform = g, terms = FALSE)$table
  if (nrow(z) == 1) z <- rbind(z, GLOBAL = z[1, ])
  data.frame(transform = g, term = rownames(z), statistic = z[, 1], p_value = z[, 3])
})))
save(zph, "zph")

if (requireNamespace("cmprsk", quietly = TRUE)) {
  aalen <- each("causes", function(x) {
    if (any(x$entry > 0)) return(NULL)
    times <- sort(unique(x$time))
    f <- cmprsk::timepoints(cmprsk::cuminc(x$time, x$event), times)
    data.frame(time = times, one = f$est[1, ], two = f$est[2, ],
               error_one = sqrt(f$var[1, ]), error_two = sqrt(f$var[2, ]))
  })
  save(aalen, "incidence_aalen")
}

if (requireNamespace("bpcp", quietly = TRUE)) {
  product <- each("curve", function(x) {
    if (any(x$entry > 0) || all(x$event == 0)) return(NULL)
    moments <- bpcp::bpcp(x$time, x$event)
    random <- bpcp::bpcp(x$time, x$event, nmc = 1e5)
    data.frame(time = moments$L, low = moments$lower, high = moments$upper,
               low_monte_carlo = random$lower, high_monte_carlo = random$upper)
  })
  save(product, "bpcp")
}

if (requireNamespace("coxphf", quietly = TRUE)) {
  firth <- each("firth", function(x) {
    # Its profile loop does not settle at a tighter gconv in every case; 1e-12 for the step does.
    f <- coxphf::coxphf(x, formula = formula(x), epsilon = 1e-12, gconv = 1e-12, maxit = 1000)
    data.frame(term = names(coef(f)), coef = coef(f), standard_error = sqrt(diag(as.matrix(f$var))),
               low = f$ci.lower, high = f$ci.upper, p_value = f$prob)
  })
  save(firth, "firth")
}
